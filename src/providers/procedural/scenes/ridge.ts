import { assign, blend, type Colour, cover, dim, light } from '../colour.ts';
import { clamp01, smoothstep } from '../maths.ts';
import { fractal, noise, ridged } from '../noise.ts';
import { isDrawn, type Plan } from '../plan.ts';
import { scramble } from '../random.ts';
import type { Profile } from './profile.ts';
import type { Sky } from './sky.ts';

/** What a ridge is made of. */
export type Material = 'rock' | 'grass' | 'wood' | 'sand' | 'houses' | 'cloud';

/** One silhouette of a landscape, with all that lies before it hidden by nothing. */
export interface Ridge {
  /** How much of the point (x, y) it covers, 0 to 1; `x` in units, at the pixel column `column`. */
  coverage(column: number, y: number): number;
  shade(x: number, y: number, column: number, target: Colour): void;
}

export interface RidgeShape {
  profile: Profile;
  material: Material;
  /** y of its foot. */
  base: number;
  /** 0 (at the horizon) to 1 (at our feet). */
  nearness: number;
}

function distanceColour(plan: Plan, nearness: number): Colour {
  const { haze, middle, near } = plan.palette;
  return nearness < 0.5 ? blend(haze, middle, 0.22 + nearness * 1.56) : blend(middle, near, nearness * 2 - 1);
}

/** A ridge of that shape; `columns` pixels wide at `unit` pixels to a unit. */
export function createRidge(plan: Plan, sky: Sky, shape: RidgeShape, columns: number, unit: number): Ridge {
  const { palette, random, features } = plan;
  const { base, nearness, material } = shape;
  const isFlat = plan.finish === 'minimal';
  const hasFlatTones = isDrawn(plan);
  const ground = random.bits();
  const windowSeed = random.bits();
  const tops = Float32Array.from({ length: columns + 1 }, (_, column) => base - shape.profile((column + 0.5) / unit));
  const topAt = (column: number): number => tops[Math.max(0, Math.min(columns, column))] ?? base;

  // Along a steep flank a pixel is crossed slantwise: the soft edge is as wide as the slope is steep, within reason.
  const sharpness = tops.map((_, column) => {
    const steepness = Math.min(Math.abs(topAt(column + 1) - topAt(column - 1)) * unit * 0.5, 3);
    return unit / (1 + steepness);
  });

  const body = distanceColour(plan, nearness);
  const lit = blend(body, palette.glow, plan.isNight ? 0.1 : 0.36 - 0.14 * nearness);
  const shadow = blend(body, palette.sky[0], 0.42 - 0.2 * nearness);
  const snow = blend(palette.cloudLit, palette.haze, 0.5 - 0.4 * nearness);
  const fogDepth = features.has('mist') ? 0.1 : 0.2;
  const fog = (features.has('mist') ? 0.95 : 0.62) * (1 - nearness) ** 0.8;
  const sunSide = sky.sun.x > columns / unit / 2 ? 1 : -1;
  const hasSnow = material === 'rock' && (features.has('snow') || nearness < 0.45);
  const windowLight = plan.isNight ? 0.55 : 0.16;

  function rock(x: number, depth: number, y: number, target: Colour): void {
    const scale = 8 - 3 * nearness;
    const u = x * scale + depth * 2.2 * noise(ground, x * 2, 4);
    const v = depth * scale * 0.85;
    const here = ridged(ground, u, v, 4);
    const towardsSun = ridged(ground, u + sunSide * 0.11, v - 0.06, 3);
    const raw = clamp01(0.5 + (here - towardsSun) * 4.2);
    const litness = hasFlatTones ? smoothstep(0.46, 0.54, raw) : raw;
    if (hasSnow) {
      const altitude = base - y;
      const line = 0.1 + 0.06 * noise(ground, x * 6, 2) + (features.has('snow') ? -0.09 : 0);
      const settled = smoothstep(line, line + 0.05, altitude + 0.09 * (here - 0.5)) * smoothstep(0.9, 0.3, depth * 3);
      cover(target, snow, settled * (0.35 + 0.6 * litness));
    }
    cover(target, litness > 0.5 ? lit : shadow, Math.abs(litness - 0.5) * 1.25);
  }

  function grass(x: number, depth: number, target: Colour): void {
    const folds = fractal(ground, x * 5, depth * 14, 4);
    const litness = clamp01(0.55 + folds * 0.8 - depth * 1.4);
    cover(target, litness > 0.5 ? lit : shadow, Math.abs(litness - 0.5) * 0.9);
  }

  function wood(x: number, depth: number, target: Colour): void {
    const trunks = noise(ground, x * 90, depth * 9) * 0.5 + noise(ground, x * 38, depth * 30) * 0.5;
    cover(target, trunks > 0 ? lit : shadow, Math.abs(trunks) * 0.4);
    cover(target, lit, 0.22 * Math.exp(-depth * 40));
  }

  function sand(x: number, depth: number, column: number, target: Colour): void {
    const reach = Math.max(Math.round(unit * 0.006), 1);
    const slope = (topAt(column + reach) - topAt(column - reach)) / ((2 * reach) / unit);
    const facing = clamp01(0.5 - slope * sunSide * 1.5 + 0.22 * noise(ground, x * 3, depth * 5));
    const crest = Math.exp(-depth * 9);
    const litness = 0.55 + (facing - 0.5) * (0.35 + 0.9 * crest);
    const ripples =
      noise(ground, x * 9 + depth * 14, depth * 85 + 4 * noise(ground, x * 5, depth * 8)) * 0.1 * nearness;
    const level = clamp01(litness + ripples);
    cover(target, level > 0.5 ? lit : shadow, Math.abs(level - 0.5) * 1.7);
  }

  function houses(x: number, y: number, depth: number, target: Colour): void {
    const size = 0.0075 + 0.007 * nearness;
    const column = Math.floor(x / size);
    const row = Math.floor(y / (size * 1.35));
    const across = x / size - column;
    const down = y / (size * 1.35) - row;
    cover(target, shadow, 0.25 * clamp01(depth * 3));
    if (depth < size || across < 0.26 || across > 0.78 || down < 0.24 || down > 0.74) return;
    const hash = scramble(Math.imul(column, 0x1b873593) ^ Math.imul(row, 0x5bd1e995) ^ windowSeed);
    if ((hash & 0xff) / 255 > windowLight) return;
    const strength = 0.35 + (0.6 * ((hash >>> 8) & 0xff)) / 255;
    cover(target, (hash & 0x30000) === 0 ? palette.glow : palette.sun, strength * (0.25 + 0.75 * nearness));
  }

  function cloud(x: number, y: number, depth: number, target: Colour): void {
    const puffs = 1 - Math.abs(fractal(ground, x * 11, y * 13, 4)) * 2.4;
    const raw = clamp01(1.02 - depth * 4.2 + (puffs - 0.6) * 0.42);
    const litness = hasFlatTones ? 0.45 * smoothstep(0.3, 0.36, raw) + 0.55 * smoothstep(0.66, 0.72, raw) : raw;
    assign(target, palette.cloudShade);
    cover(target, palette.cloudLit, 0.12 + 0.86 * litness);
    cover(target, palette.sky[3], smoothstep(0.02, 0.3, depth) * 0.85);
  }

  return {
    coverage(column, y) {
      return clamp01((y - topAt(column)) * (sharpness[column] ?? unit) + 0.5);
    },
    shade(x, y, column, target) {
      const depth = Math.max(y - topAt(column), 0);
      assign(target, body);
      if (isFlat) {
        cover(target, palette.haze, 0.22 * smoothstep(0, 0.3, depth) * (1 - nearness));
        return;
      }
      if (material === 'rock') rock(x, depth, y, target);
      else if (material === 'grass') grass(x, depth, target);
      else if (material === 'wood') wood(x, depth, target);
      else if (material === 'sand') sand(x, depth, column, target);
      else if (material === 'cloud') cloud(x, y, depth, target);
      else houses(x, y, depth, target);
      if (fog > 0 && material !== 'cloud') {
        const drifting = 0.75 + 0.5 * noise(ground, x * 2.4, y * 7);
        cover(target, palette.haze, clamp01(fog * smoothstep(0, fogDepth, depth * drifting)));
      }
      if (sky.sun.isUp) {
        const distance = Math.hypot(x - sky.sun.x, y - sky.sun.y);
        light(target, palette.glow, (1 - nearness) * (plan.isNight ? 0.16 : 0.36) * Math.exp(-distance * 3.4));
        light(target, palette.glow, (plan.isNight ? 0.1 : 0.34) * Math.exp(-depth * unit * 0.25 - distance * 2.6));
      }
      if (nearness > 0.85) dim(target, 1 - 0.25 * smoothstep(0, 0.25, depth));
    },
  };
}
