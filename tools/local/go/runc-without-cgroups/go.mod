module slotkeeper.dev/tools/local/runc-without-cgroups

go 1.26.0
