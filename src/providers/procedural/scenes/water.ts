import { assign, blend, type Colour, cover, light } from '../colour.ts';
import { clamp01, mix, smoothstep } from '../maths.ts';
import { noise } from '../noise.ts';
import type { Plan } from '../plan.ts';
import type { Shader, Sky } from './sky.ts';

/**
 * Water from that line (y, in units) down to `bottom`. It mirrors `above`, broken by ripples that grow towards the
 * viewer, and takes the sun's path upon it.
 */
export function createWater(
  plan: Plan,
  sky: Sky,
  above: Shader,
  line: number,
  bottom: number,
  roughness: number,
): Shader {
  const { palette, random } = plan;
  const ripples = random.bits();
  const deep = blend(palette.sky[0], palette.near, 0.35);
  const crest = blend(palette.sky[3], palette.cloudLit, 0.5);
  const isFlat = plan.finish === 'minimal';
  const mirrored: Colour = { r: 0, g: 0, b: 0 };

  return (x, y, target) => {
    const near = clamp01((y - line) / (bottom - line));
    // Rows of water are seen from the side: a ripple's height on the canvas shrinks with its distance.
    const recede = Math.log(near * 14 + 1) * 9;
    const spread = 3 + 26 / (near * 7 + 1);
    const swell = noise(ripples, x * spread * 0.55, recede * 2.1);
    const chop = noise(ripples, x * spread * 1.9 + 20, recede * 6.3);
    const wave = (0.62 * swell + 0.38 * chop) * roughness * (isFlat ? 0.25 : 1);
    above(x + wave * 0.012 * (0.3 + near), line - (y - line) * 0.92 + wave * mix(0.012, 0.13, near), mirrored);
    assign(target, mirrored);
    cover(target, deep, mix(0.16, 0.58, near ** 0.8));
    cover(target, crest, clamp01(wave * 1.5 - 0.28) * roughness * 0.5 * (1 - near * 0.4));
    if (!sky.sun.isUp) return;
    const width = 0.035 + 0.13 * near;
    const path = Math.exp(-(((x - sky.sun.x + wave * 0.02) / width) ** 2));
    const sparkle = smoothstep(0.04, 0.34, wave + 0.16 * path) * path;
    light(target, palette.sun, clamp01(sparkle * 0.85 + path * 0.16) * (plan.isNight ? 0.55 : 0.85));
  };
}
