/** Strides of the lattice in the hash: odd and far apart, so that neighbours share no bits. */
const STRIDE_X = 0x27d4eb2d;
const STRIDE_Y = 0x165667b1;

/** A slope in each lattice point, read from the bits of a hash: no table, so any seed costs nothing. */
function slopeTimesOffset(corner: number, dx: number, dy: number): number {
  let hash = Math.imul(corner ^ (corner >>> 15), 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return ((hash & 0xffff) - 0x8000) * dx + ((hash >>> 16) - 0x8000) * dy;
}

/** Smooth gradient noise over the plane, about -1 to 1, one hill or hollow to a unit. The seed has 32 bits. */
export function noise(seed: number, x: number, y: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const west = Math.imul(left, STRIDE_X);
  const east = (west + STRIDE_X) | 0;
  const north = Math.imul(top, STRIDE_Y);
  const south = ((north + STRIDE_Y) | 0) ^ seed;
  const easeX = dx * dx * dx * (dx * (dx * 6 - 15) + 10);
  const easeY = dy * dy * dy * (dy * (dy * 6 - 15) + 10);
  const a = slopeTimesOffset(west ^ north ^ seed, dx, dy);
  const b = slopeTimesOffset(east ^ north ^ seed, dx - 1, dy);
  const c = slopeTimesOffset(west ^ south, dx, dy - 1);
  const d = slopeTimesOffset(east ^ south, dx - 1, dy - 1);
  const upper = a + (b - a) * easeX;
  return (1.4 / 0x8000) * (upper + (c + (d - c) * easeX - upper) * easeY);
}

/** Noise upon finer noise, each octave half as strong and turned, so that the lattice does not show. */
export function fractal(seed: number, x: number, y: number, octaves: number): number {
  let sum = 0;
  let strength = 0.5;
  let u = x;
  let v = y;
  for (let octave = 0; octave < octaves; octave += 1) {
    sum += strength * noise(seed, u, v);
    strength *= 0.5;
    const turned = 1.6 * u + 1.2 * v + 9.1;
    v = 1.6 * v - 1.2 * u + 17.3;
    u = turned;
  }
  return sum;
}

/** Fractal noise folded at zero into sharp crests, 0 to 1: mountains. */
export function ridged(seed: number, x: number, y: number, octaves: number): number {
  let sum = 0;
  let strength = 0.5;
  let u = x;
  let v = y;
  for (let octave = 0; octave < octaves; octave += 1) {
    const fold = 1 - Math.abs(noise(seed, u, v));
    sum += strength * fold * fold;
    strength *= 0.5;
    const turned = 1.6 * u + 1.2 * v + 5.3;
    v = 1.6 * v - 1.2 * u + 31.7;
    u = turned;
  }
  return sum;
}
