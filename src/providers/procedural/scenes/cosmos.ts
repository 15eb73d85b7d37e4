import { type Canvas, shadePixels } from '../canvas.ts';
import { blend, type Colour, cover, dim, light, vary } from '../colour.ts';
import { clamp01, smoothstep } from '../maths.ts';
import { fractal, noise } from '../noise.ts';
import type { Pace } from '../pace.ts';
import type { Plan } from '../plan.ts';
import { createRamp } from '../ramp.ts';
import { starlight } from './stars.ts';

/** A nebula among stars, with a planet that the near sun lights from one side. */
export async function paintCosmos(plan: Plan, canvas: Canvas, pace: Pace): Promise<void> {
  const { palette, random } = plan;
  const { unit } = canvas;
  const width = canvas.width / unit;
  const height = canvas.height / unit;
  const clouds = random.bits();
  const warp = random.bits();
  const stars = random.bits();
  const dark: Colour = { r: 0.012, g: 0.014, b: 0.04 };
  const hue = random.between(-1.3, 0.6);
  const warm = vary({ r: 0.93, g: 0.36, b: 0.42 }, hue, 1, 1);
  const cool = vary({ r: 0.2, g: 0.5, b: 0.92 }, hue + random.between(-0.5, 0.5), 1, 1);
  const bright = blend(warm, { r: 1, g: 0.95, b: 0.88 }, 0.75);
  const gas = createRamp([dark, blend(dark, cool, 0.35), blend(cool, warm, 0.35), warm, bright]);
  const tilt = random.between(-0.9, 0.9);
  const offset = random.between(0, 60);
  const scale = random.between(1.5, 2.1);

  const planet = {
    x: width * (random.chance(0.5) ? random.between(0.2, 0.34) : random.between(0.66, 0.8)),
    y: height * random.between(0.32, 0.7),
    radius: random.between(0.12, 0.2),
    light: random.between(0, 6.28),
    hasRing: random.chance(0.55),
    tilt: random.between(-0.5, 0.5),
  };
  const surface = random.bits();
  const land = createRamp([blend(palette.near, cool, 0.4), cool, blend(warm, cool, 0.3), bright, warm]);
  const paint: Colour = { r: 0, g: 0, b: 0 };

  function nebula(x: number, y: number, target: Colour): void {
    const u = x * scale + offset;
    const v = y * scale;
    const bendX = fractal(warp, u, v, 4);
    const bendY = fractal(warp, u + 5.2, v + 1.3, 4);
    const density = fractal(clouds, u + 1.9 * bendX, v + 1.9 * bendY, 6);
    // A milky way: gas gathers along one slanted band.
    const band = Math.exp(-(((y - height / 2 - tilt * (x - width / 2)) / 0.34) ** 2));
    const dust = smoothstep(0.02, 0.4, fractal(warp, u * 1.7 - bendY * 2, v * 1.7 + 8, 4));
    const level = clamp01(0.16 + density * 0.95 + band * 0.5 + bendX * 0.25 - dust * 0.3 * band);
    gas(level * level * 1.3, target);
    const star = starlight(x, y, stars);
    if (star > 0) light(target, { r: 1, g: 0.97, b: 0.94 }, star * (1 - 0.4 * dust));
  }

  function paintPlanet(x: number, y: number, target: Colour): void {
    const dx = (x - planet.x) / planet.radius;
    const dy = (y - planet.y) / planet.radius;
    const square = dx * dx + dy * dy;
    const lightX = Math.cos(planet.light) * 0.86;
    const lightY = Math.sin(planet.light) * 0.86;
    if (square < 2.6 && square >= 1) {
      const facing = clamp01(0.35 + (dx * lightX + dy * lightY) * 0.6);
      light(target, cool, 0.55 * facing * Math.exp(-(Math.sqrt(square) - 1) * 9));
    }
    if (square < 1.02) {
      const rise = Math.sqrt(Math.max(1 - square, 0));
      const along = dx * Math.cos(planet.tilt) + dy * Math.sin(planet.tilt);
      const across = dy * Math.cos(planet.tilt) - dx * Math.sin(planet.tilt);
      const swirl = fractal(surface, along * 1.3 + rise, across * 3, 4);
      land(0.5 + 0.55 * noise(surface, 0.3 + 0.25 * along, across * 4.5 + swirl * 1.2) + 0.25 * swirl, paint);
      const day = smoothstep(-0.18, 0.75, dx * lightX + dy * lightY + rise * 0.5);
      dim(paint, 0.03 + 1.02 * day);
      light(paint, cool, 0.6 * (1 - rise) ** 3 * day);
      cover(target, paint, smoothstep(1.006, 0.994, Math.sqrt(square)));
    }
    if (!planet.hasRing) return;
    const along = dx * Math.cos(planet.tilt) + dy * Math.sin(planet.tilt);
    const across = (dy * Math.cos(planet.tilt) - dx * Math.sin(planet.tilt)) / 0.27;
    const distance = Math.sqrt(along * along + across * across);
    if (distance < 1.32 || distance > 2.15 || (across < 0 && square < 1)) return;
    const grooves = 0.55 + 0.5 * noise(surface, distance * 17, 3.3) + 0.25 * noise(surface, distance * 55, 9);
    const edge = smoothstep(1.32, 1.38, distance) * smoothstep(2.15, 2.05, distance);
    const behind = smoothstep(0.1, -0.4, dx * lightX + dy * lightY);
    const day = 1 - 0.82 * behind * smoothstep(1.1, 0.75, Math.abs(dx * lightY - dy * lightX));
    cover(target, { r: bright.r * day, g: bright.g * day, b: bright.b * day }, clamp01(grooves) * edge * 0.7);
  }

  await shadePixels(canvas, pace, (column, row, colour) => {
    const x = (column + 0.5) / unit;
    const y = (row + 0.5) / unit;
    nebula(x, y, colour);
    paintPlanet(x, y, colour);
  });
}
