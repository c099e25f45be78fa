/* Types of numbers in the file and what they are read as: f16 as f32, i64 as f64, the others as they are. */

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;
export type Type = "f16" | "f32" | "f64" | "i32" | "i64" | "u8" | "text";
export const SIZE: Record<Type, number> = { f16: 2, f32: 4, f64: 8, i32: 4, i64: 8, u8: 1, text: 16 };

function halves(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  const word = new Uint32Array(1);
  const value = new Float32Array(word.buffer);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    const exponent = (b >> 10) & 31;
    const fraction = b & 1023;
    if (exponent === 0) {
      out[i] = (b & 0x8000 ? -1 : 1) * fraction * 2 ** -24;
      continue;
    }
    word[0] = ((b & 0x8000) << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    out[i] = value[0];
  }
  return out;
}

function longs(bits: BigInt64Array): Float64Array {
  const out = new Float64Array(bits.length);
  const words = new Int32Array(bits.buffer, bits.byteOffset, 2 * bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = words[2 * i + 1] * 4294967296 + (words[2 * i] >>> 0);
  return out;
}

/** Numbers out of little-endian bytes, which are not copied where that is not needed. */
export function decoded(type: Type, bytes: ArrayBuffer): Numbers {
  switch (type) {
    case "f16": return halves(new Uint16Array(bytes));
    case "f32": return new Float32Array(bytes);
    case "f64": return new Float64Array(bytes);
    case "i32": return new Int32Array(bytes);
    case "i64": return longs(new BigInt64Array(bytes));
    case "u8": return new Uint8Array(bytes);
    case "text": throw new Error("text is no number");
  }
}
