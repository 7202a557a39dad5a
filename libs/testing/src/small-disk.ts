/**
 * The command line that runs a command with a small disk of its own at a folder, in memory, in namespaces of an ordinary
 * user; the disk ends with the command, which has the process id of the whole line.
 *
 * @param folder an existing folder, hidden under the disk
 */
export const onSmallDisk = (folder: string, bytes: number, command: readonly string[]): readonly string[] => [
  'unshare',
  '--user',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs -o size=${bytes} none "$0" && exec "$@"`,
  folder,
  ...command,
]
