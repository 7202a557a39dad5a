export { canonicalJson } from './canonical-json.ts'
export { hash } from './hash.ts'
