import { MalformedMessageError } from './errors.ts'

/**
 * Writes numbers and byte strings one after another. Numbers take seven bits a byte, the lowest first (LEB128). Small buffers come from
 * Node's pool: one of its own for each entry would cost more than all that is written into it.
 */
export class ByteWriter {
  private buffer: Uint8Array
  private length = 0

  constructor(sizeHint: number) {
    this.buffer = Buffer.allocUnsafe(sizeHint)
  }

  byte(value: number): this {
    this.reserve(1)
    this.buffer[this.length++] = value
    return this
  }

  number(value: number): this {
    this.reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.buffer[this.length++] = rest
    return this
  }

  bytes(value: Uint8Array): this {
    this.number(value.length)
    this.reserve(value.length)
    this.buffer.set(value, this.length)
    this.length += value.length
    return this
  }

  written(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(2 * this.buffer.length + count)
    larger.set(this.buffer)
    this.buffer = larger
  }
}

/** Reads what a ByteWriter wrote. @throws MalformedMessageError when it is something else. */
export class ByteReader {
  private readonly buffer: Uint8Array
  private position = 0

  constructor(buffer: Uint8Array) {
    this.buffer = buffer
  }

  get remaining(): number {
    return this.buffer.length - this.position
  }

  byte(): number {
    const value = this.buffer[this.position++]
    if (value === undefined) throw new MalformedMessageError('it ends too early')
    return value
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (value > Number.MAX_SAFE_INTEGER) throw new MalformedMessageError('a number is too large')
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw new MalformedMessageError('a number is longer than it needs to be')
        return value
      }
      scale *= 0x80
    }
  }

  /** A part of the buffer itself, not a copy. */
  bytes(): Uint8Array {
    const length = this.number()
    if (length > this.remaining) throw new MalformedMessageError('it ends too early')
    this.position += length
    return this.buffer.subarray(this.position - length, this.position)
  }

  /** What `bytes` gives, to be read in its turn. */
  part(): ByteReader {
    return new ByteReader(this.bytes())
  }

  end(): void {
    if (this.remaining > 0) throw new MalformedMessageError(`${this.remaining} bytes follow its end`)
  }
}
