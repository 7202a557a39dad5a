/**
 * The user of the servers by whom backups are taken: its name, the key of its password in a cluster's internal Secret, and
 * what it may do. It is sent snapshots, looks at roles and slots, and holds back writes for one moment; it reads no key
 * by command, changes nothing, and sees no setting.
 */
export const BACKUP_USER = {
  name: 'slotkeeper-backup',
  passwordKey: 'backup-password',
  permissions: '-@all +psync +replconf +info +role +cluster|nodes +client|pause +client|unpause',
} as const
