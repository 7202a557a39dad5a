module slotkeeper.dev/tools/local/pause

go 1.26.0
