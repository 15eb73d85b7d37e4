/** A stream of numbers that its seed text alone decides. */
export interface Random {
  /** At least 0, below 1. */
  next(): number;
  between(low: number, high: number): number;
  /** True that often; 0 to 1. */
  chance(probability: number): boolean;
  /** One of them; the list must not be empty. */
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** 32 random bits, to seed a noise. */
  bits(): number;
}

/** Spreads the bits of a 32-bit number over all of it; every input has its own output. */
export function scramble(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function hashText(text: string, salt: number): number {
  let hash = scramble(salt);
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    hash ^= hash >>> 13;
  }
  return scramble(hash ^ text.length);
}

/** The stream of that seed text. Equal texts give equal streams, on every runtime. */
export function createRandom(seed: string): Random {
  // Two words of state and a counter: no two prompts that people write will share a stream.
  let first = hashText(seed, 1);
  let second = hashText(seed, 2);
  let counter = 0;

  function bits(): number {
    counter = (counter + 0x9e3779b9) | 0;
    first = scramble(first ^ counter);
    second = scramble((second + first) | 0);
    return (first ^ second) >>> 0;
  }
  function next(): number {
    return bits() / 0x1_0000_0000;
  }
  return {
    bits,
    next,
    between: (low, high) => low + (high - low) * next(),
    chance: (probability) => next() < probability,
    pick: (choices) => choices[Math.floor(next() * choices.length)] ?? choices[0],
  };
}
