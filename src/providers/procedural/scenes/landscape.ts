import { type Canvas, shadePixels } from '../canvas.ts';
import { type Colour, cover } from '../colour.ts';
import { mix, smoothstep } from '../maths.ts';
import type { Pace } from '../pace.ts';
import { isDrawn, type Plan } from '../plan.ts';
import type { SceneName } from '../vocabulary.ts';
import { createBirds } from './birds.ts';
import { billows, dunes, hills, type Profile, peaks, towers, wood } from './profile.ts';
import { createRidge, type Material, type Ridge } from './ridge.ts';
import { createSky, type Shader } from './sky.ts';
import { createWater } from './water.ts';

/** Scenes that are land or water under a sky. */
export type LandscapeName = Exclude<SceneName, 'cosmos' | 'flow'>;

interface Land {
  material: Material;
  profile: Profile;
}

/** One silhouette of that scene; near ones differ from far ones. */
function landOf(scene: LandscapeName, plan: Plan, nearness: number, skyHeight: number): Land {
  const { random } = plan;
  if (scene === 'city') {
    return { material: 'houses', profile: towers(random, mix(0.32, 0.42, nearness), mix(0.035, 0.085, nearness)) };
  }
  if (scene === 'dunes') {
    return { material: 'sand', profile: dunes(random, mix(0.07, 0.17, nearness), mix(3.2, 1.1, nearness)) };
  }
  if (scene === 'mountains' && nearness < 0.62) {
    return { material: 'rock', profile: peaks(random, skyHeight * mix(0.64, 0.48, nearness), mix(1.4, 1.9, nearness)) };
  }
  if (scene === 'sea') return { material: 'rock', profile: peaks(random, 0.09, 1.1) };
  const ground = hills(random, mix(0.1, 0.15, nearness), mix(2.4, 1.3, nearness));
  const isWooded = scene === 'forest' || (plan.features.has('trees') && nearness > 0.4);
  if (!isWooded) return { material: 'grass', profile: ground };
  return { material: 'wood', profile: wood(random, plan.trees, ground, mix(0.05, 0.27, nearness ** 1.9)) };
}

/** The near bank of a lake or sea: high on one side, nothing on the other, so that it frames the view. */
function bank(plan: Plan, width: number, scene: LandscapeName): Land {
  const { random } = plan;
  const isLeft = random.chance(0.5);
  const ground = hills(random, 0.07, 2.2);
  const reach = random.between(0.45, 0.75);
  const rise: Profile = (x) => {
    const aside = (isLeft ? x : width - x) / width;
    return ground(x) * 0.6 + 0.27 * smoothstep(reach, 0, aside) - 0.2;
  };
  if (scene === 'forest' || (scene !== 'city' && scene !== 'dunes' && plan.features.has('trees'))) {
    return { material: 'wood', profile: wood(random, plan.trees, rise, 0.24) };
  }
  return { material: 'grass', profile: rise };
}

interface Layout {
  horizon: number;
  hasWater: boolean;
  shapes: readonly (Land & { base: number; nearness: number })[];
}

function layOut(scene: LandscapeName, plan: Plan, height: number): Layout {
  const { random, features } = plan;
  const isFlat = plan.finish === 'minimal';
  const hasWater = features.has('water') || scene === 'sea';
  const horizon = height * (hasWater ? random.between(0.56, 0.66) : random.between(0.46, 0.58));
  const count = scene === 'sea' ? (random.chance(0.6) ? 1 : 0) : hasWater ? 3 : isFlat ? 4 : 6;
  // Round heads have hard edges: right for drawn styles, where the sky's own soft clouds are left out for them.
  const isHeaped = features.has('clouds') && !plan.isNight && isDrawn(plan);
  const clouds = isHeaped
    ? [0.42, 0.3].map((size) => ({
        material: 'cloud' as const,
        profile: billows(random, horizon * size * 1.5, 2.2 - size * 2),
        base: horizon + 0.01,
        nearness: 0,
      }))
    : [];
  const land = Array.from({ length: count }, (_, index) => {
    const step = count === 1 ? 0 : index / (count - 1);
    const nearness = hasWater ? 0.12 + 0.36 * step : step;
    const base = hasWater ? horizon + 0.004 : mix(horizon + 0.02, height * 0.96, step ** 1.25);
    return {
      ...landOf(scene, plan, hasWater && scene === 'mountains' ? step * 0.7 : nearness, horizon),
      base,
      nearness,
    };
  });
  return { horizon, hasWater, shapes: [...clouds, ...land] };
}

/** What lies behind, and the ridges before it from the farthest to the nearest. Hidden things are not painted. */
function layered(behind: Shader, ridges: readonly Ridge[], unit: number): Shader {
  const paint: Colour = { r: 0, g: 0, b: 0 };
  return (x, y, target) => {
    const column = Math.floor(x * unit);
    let first = ridges.length - 1;
    while (first >= 0 && (ridges[first]?.coverage(column, y) ?? 0) < 1) first -= 1;
    if (first < 0) behind(x, y, target);
    for (let index = Math.max(first, 0); index < ridges.length; index += 1) {
      const ridge = ridges[index];
      const amount = ridge?.coverage(column, y) ?? 0;
      if (ridge === undefined || amount === 0) continue;
      ridge.shade(x, y, column, paint);
      cover(target, paint, amount);
    }
  };
}

/** Sky and land from the farthest to the nearest, and water that mirrors them. */
export async function paintLandscape(scene: LandscapeName, plan: Plan, canvas: Canvas, pace: Pace): Promise<void> {
  const { unit } = canvas;
  const width = canvas.width / unit;
  const height = canvas.height / unit;
  const { horizon, hasWater, shapes } = layOut(scene, plan, height);
  const sky = createSky(plan, width, horizon);
  const birds = plan.features.has('birds') ? createBirds(plan, width, horizon) : null;
  const ridges: Ridge[] = [];
  for (const shape of shapes) {
    ridges.push(createRidge(plan, sky, shape, canvas.width, unit));
    await pace.step();
  }
  const heaven: Shader = (x, y, target) => {
    sky.shade(x, y, target);
    birds?.(x, y, target);
  };
  let view = layered(heaven, ridges, unit);
  if (hasWater) {
    const above = view;
    const water = createWater(plan, sky, above, horizon, height, scene === 'sea' ? 1 : 0.55);
    const front = createRidge(
      plan,
      sky,
      { ...bank(plan, width, scene), base: height, nearness: 0.96 },
      canvas.width,
      unit,
    );
    view = layered((x, y, target) => (y < horizon ? above : water)(x, y, target), [front], unit);
  }
  await shadePixels(canvas, pace, (column, row, colour) => view((column + 0.5) / unit, (row + 0.5) / unit, colour));
}
