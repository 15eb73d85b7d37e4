import { smoothstep } from '../maths.ts';
import { fractal, noise, ridged } from '../noise.ts';
import type { Random } from '../random.ts';
import { scramble } from '../random.ts';

/** How high a ridge stands over its own base at x; both in units of the mean edge. */
export type Profile = (x: number) => number;

/** Sharp peaks of about that height, at about that many to a unit. */
export function peaks(random: Random, height: number, frequency: number): Profile {
  const shape = random.bits();
  const offset = random.between(0, 100);
  return (x) => {
    const u = x * frequency + offset;
    const crest = ridged(shape, u, offset, 6);
    const range = 0.5 + 0.9 * fractal(shape, u * 0.45, 7.7, 2);
    return height * (crest ** 1.7 * 1.3 * (0.55 + range * 0.7) + 0.02 * noise(shape, u * 30, 3));
  };
}

/** Round hills. */
export function hills(random: Random, height: number, frequency: number): Profile {
  const shape = random.bits();
  const offset = random.between(0, 100);
  return (x) => height * (0.5 + 0.95 * fractal(shape, x * frequency + offset, offset, 3));
}

/** Dunes: a long slope to windward, a steep one to lee, a crisp edge between. */
export function dunes(random: Random, height: number, frequency: number): Profile {
  const shape = random.bits();
  const offset = random.between(0, 100);
  return (x) => {
    const u = x * frequency + offset;
    const position = u + 0.5 * noise(shape, u * 0.7, 1.5);
    const phase = position - Math.floor(position);
    const wave = phase < 0.68 ? smoothstep(-0.1, 0.72, phase) : 1 - smoothstep(0.64, 1.08, phase);
    return (
      height *
      (wave * (0.55 + 0.5 * noise(shape, Math.floor(position) * 3.3, 8.1)) + 0.35 * fractal(shape, u * 0.5, 4, 2))
    );
  };
}

/** One tree's outline: how much of its height it reaches that far from its trunk (0 to 1). */
type Outline = (aside: number) => number;

/** Boughs: the outline falls in steps instead of along a line, and ends in a tip. */
const conifer: Outline = (aside) => {
  const steps = 7;
  const bough = aside * steps - Math.floor(aside * steps);
  const tip = aside < 0.08 ? 0.06 * (1 - aside / 0.08) : 0;
  return 0.94 * (1 - (Math.floor(aside * steps) + bough ** 0.45) / steps) + tip;
};

/** A crown of leaves. */
const broadleaf: Outline = (aside) => 0.3 + 0.66 * (1 - aside ** 2.6) ** 0.7;

const TREES = {
  conifer: { outline: conifer, size: 1, spacing: 0.2, slimness: 0.15, leafiness: 0 },
  broadleaf: { outline: broadleaf, size: 0.5, spacing: 0.3, slimness: 0.46, leafiness: 0.2 },
} as const;

export type TreeKind = keyof typeof TREES;

/** Trees of up to that height upon ground of any profile, in stands with clearings between. */
export function wood(random: Random, kind: TreeKind, ground: Profile, height: number): Profile {
  const { outline, size, spacing, slimness, leafiness } = TREES[kind];
  const seed = random.bits();
  const tallest = height * size;
  const pitch = tallest * spacing;
  const stands = random.bits();
  return (x) => {
    let top = ground(x);
    const cell = Math.floor(x / pitch);
    for (let neighbour = cell - 2; neighbour <= cell + 2; neighbour += 1) {
      const hash = scramble(Math.imul(neighbour, 0x45d9f3b) ^ seed);
      const centre = (neighbour + (hash & 0xff) / 255) * pitch;
      const grown = 0.3 + 0.7 * (((hash >>> 8) & 0xff) / 255) ** 1.4;
      const stand = smoothstep(-0.3, 0.25, noise(stands, centre * 1.9, 2.2));
      const tall = tallest * grown * (0.22 + 0.78 * stand);
      const halfWidth = tall * slimness * (0.8 + (0.6 * ((hash >>> 16) & 0xff)) / 255);
      const aside = Math.abs(x - centre) / halfWidth;
      if (aside >= 1) continue;
      const leaves = leafiness === 0 ? 0 : leafiness * fractal(stands, (x / tallest) * 9, centre * 50, 4);
      top = Math.max(top, ground(centre) + tall * (outline(aside) + leaves));
    }
    return top;
  };
}

/** Heaped summer clouds: round heads upon round heads. */
export function billows(random: Random, height: number, frequency: number): Profile {
  const shape = random.bits();
  const offset = random.between(0, 100);
  return (x) => {
    const u = x * frequency + offset;
    const mass = smoothstep(-0.35, 0.5, noise(shape, u, 1.5));
    let heads = 0;
    for (let size = 0; size < 3; size += 1) {
      const grain = 2.6 * 2.3 ** size;
      const within = u * grain + 1.3 * noise(shape, u * grain * 0.35, size);
      const aside = (within - Math.floor(within) - 0.5) * 2;
      heads += Math.sqrt(Math.max(1 - aside * aside, 0)) * 0.32 * 0.5 ** size;
    }
    return height * mass * (0.42 + heads);
  };
}

/** A skyline: flat roofs, some with a step or a mast. */
export function towers(random: Random, height: number, width: number): Profile {
  const seed = random.bits();
  const districts = random.bits();
  return (x) => {
    const cell = Math.floor(x / width);
    const hash = scramble(Math.imul(cell, 0x2c1b3c6d) ^ seed);
    const inside = x / width - cell;
    const centrality = 0.55 + 0.75 * noise(districts, x * 1.1, 5.5);
    const tall = height * (0.25 + 0.75 * ((hash & 0xff) / 255) ** 1.6 * Math.max(centrality, 0.15));
    const margin = (0.12 * ((hash >>> 8) & 0xff)) / 255;
    if (inside < margin) return height * 0.12;
    const hasStep = (hash & 0x10000) !== 0;
    if (hasStep && inside > 0.62) return tall * 0.86;
    const hasMast = (hash & 0xe0000) === 0;
    if (hasMast && Math.abs(inside - 0.4) < 0.035) return tall + height * 0.22;
    return tall;
  };
}
