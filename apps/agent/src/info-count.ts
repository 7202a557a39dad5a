/** A counter in what INFO answers; 0 where the server does not say. */
export const infoCount = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
