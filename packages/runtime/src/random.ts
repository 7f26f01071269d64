/** Where a role takes its randomness from: the operating system, or one seed in the simulation. */
export interface Random {
  /** `length` random bytes, unguessable in the real world. */
  bytes(length: number): Uint8Array
  /** A number drawn evenly from [0, 1). For spreading delays, never for secrets. */
  fraction(): number
}
