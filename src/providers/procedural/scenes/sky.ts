import { assign, blend, type Colour, cover, light } from '../colour.ts';
import { clamp01, smoothstep } from '../maths.ts';
import { fractal, noise } from '../noise.ts';
import { isDrawn, type Plan } from '../plan.ts';
import { createRamp } from '../ramp.ts';
import { starlight } from './stars.ts';

/** Writes the colour of the point (x, y), in units of the mean edge, into `target`. */
export type Shader = (x: number, y: number, target: Colour) => void;

export interface Sky {
  shade: Shader;
  sun: { x: number; y: number; isUp: boolean };
}

/** How soft a cloud's edge is. The drawn styles have heaped clouds instead by day, the minimal one none. */
const CLOUD_EDGE = { realistic: 0.42, watercolor: 0.4, oil: 0.4, anime: 0.07, pixel: 0.16, sketch: 0.3, minimal: 0 };

/** A sky over that horizon (y, in units) and width: gradient, sun or moon with its glow, stars, aurora, clouds. */
export function createSky(plan: Plan, width: number, horizon: number): Sky {
  const { palette, random, features, finish } = plan;
  const isFlat = finish === 'minimal';
  const ramp = createRamp(palette.sky);
  const cloudNoise = random.bits();
  const warpNoise = random.bits();
  const curtainNoise = random.bits();
  const starSeed = random.bits();

  // Over mountains the sun stands higher: one behind them would still throw its path upon the water.
  const sun = {
    x: width * (random.chance(0.5) ? random.between(0.2, 0.42) : random.between(0.58, 0.8)),
    y:
      horizon *
      (plan.isNight ? random.between(0.22, 0.5) : random.between(0.45, 0.86) * (plan.scene === 'mountains' ? 0.6 : 1)),
    isUp: features.has('sun'),
  };
  const radius = isFlat
    ? random.between(0.1, 0.16)
    : plan.isNight
      ? random.between(0.03, 0.05)
      : random.between(0.028, 0.06);
  const edge = CLOUD_EDGE[finish];
  const cloudiness =
    features.has('clouds') && !isFlat && (plan.isNight || !isDrawn(plan)) ? random.between(0.02, 0.16) : -1;
  const cloudScale = random.between(0.16, 0.26);
  const drift = random.between(0, 50);
  const paleSun = blend(palette.sun, palette.sky[2], 0.35);

  const paint: Colour = { r: 0, g: 0, b: 0 };

  function clouds(x: number, y: number, nearSun: number, target: Colour): void {
    // The cloud layer is a ceiling: it recedes towards the horizon as a real one does.
    const depth = 1 / (horizon * 1.08 - y + 0.035);
    const u = (x - width / 2) * depth * cloudScale + drift;
    const v = depth * cloudScale * 1.9;
    const warp = 0.55 * noise(warpNoise, u * 1.1, v * 1.1);
    const density = fractal(cloudNoise, u + warp, v - warp * 0.6, 4) + cloudiness;
    const amount = smoothstep(0, edge, density);
    if (amount <= 0) return;
    const towardsSun = fractal(cloudNoise, u + warp + (sun.x - x) * 0.22, v - warp * 0.6 + 0.16, 2) + cloudiness;
    const litness = clamp01(0.62 + (density - towardsSun) * 1.5 - density * 0.55 + nearSun * 0.5);
    const toned = edge < 0.1 ? smoothstep(0.42, 0.5, litness) * 0.75 + 0.15 : litness;
    const far = smoothstep(horizon, horizon * 0.72, y);
    assign(paint, palette.cloudShade);
    cover(paint, palette.cloudLit, toned);
    cover(target, paint, amount * (0.3 + 0.62 * far) * (plan.isNight ? 0.55 : 1));
  }

  function aurora(x: number, y: number, target: Colour): void {
    for (let curtain = 0; curtain < 3; curtain += 1) {
      const base = horizon * (0.82 - curtain * 0.17) + 0.13 * noise(curtainNoise, x * 1.7 + curtain * 7, curtain * 3.1);
      const height = 0.34 + 0.18 * noise(curtainNoise, x * 2.3, curtain * 5.7 + 9);
      const up = (base - y) / height;
      if (up < -0.08 || up > 1) continue;
      const rays = 0.62 + 0.55 * noise(curtainNoise, x * 26 + noise(curtainNoise, x * 3, 4) * 6, curtain + y * 0.5);
      const strength = smoothstep(-0.08, 0.06, up) * (1 - up) ** 2.1 * Math.max(rays, 0) * (0.85 - 0.2 * curtain);
      paint.r = 0.12 + 0.6 * up * up;
      paint.g = 0.95 - 0.7 * up;
      paint.b = 0.5 + 0.35 * up;
      light(target, paint, strength * 1.25);
    }
  }

  function disc(dx: number, dy: number, distance: number, target: Colour): void {
    const inside = smoothstep(radius + 0.0022, radius - 0.0008, distance);
    if (inside <= 0) return;
    if (!plan.isNight) {
      cover(target, isFlat ? paleSun : palette.sun, inside);
      return;
    }
    const seas = smoothstep(-0.1, 0.35, fractal(warpNoise, dx / radius + 40, dy / radius, 3));
    const shadow = smoothstep(0.2, 1.2, Math.hypot(dx / radius - 0.5, dy / radius + 0.25) * 0.8);
    assign(paint, palette.sun);
    cover(paint, palette.haze, seas * 0.3 + shadow * 0.45);
    cover(target, paint, inside);
  }

  return {
    sun,
    shade(x, y, target) {
      const t = clamp01(y / horizon);
      ramp(t * (0.86 + 0.14 * t), target);
      const dx = x - sun.x;
      const dy = y - sun.y;
      const distance = Math.sqrt(dx * dx + dy * dy);
      const nearSun = Math.exp(-distance * 4.5);
      if (features.has('stars')) {
        const brightness = starlight(x, y, starSeed) * smoothstep(1, 0.35, t) * smoothstep(0.06, 0.22, distance);
        if (brightness > 0) light(target, palette.sun, brightness);
      }
      if (features.has('aurora')) aurora(x, y, target);
      if (sun.isUp) {
        if (!isFlat) {
          const halo = Math.exp(-Math.sqrt(dx * dx * 0.5 + dy * dy * 1.5) * 3.2);
          light(target, palette.glow, halo * (plan.isNight ? 0.3 : 0.5) + 0.4 * Math.exp(-distance * 16));
        }
        disc(dx, dy, distance, target);
      }
      if (cloudiness >= 0) clouds(x, y, sun.isUp ? nearSun : 0, target);
    },
  };
}
