import { type Colour, cover } from '../colour.ts';
import { smoothstep } from '../maths.ts';
import type { Plan } from '../plan.ts';
import type { Shader } from './sky.ts';

/** A loose flock in the sky above that horizon; it only darkens what is already there. */
export function createBirds(plan: Plan, width: number, horizon: number): Shader {
  const { random, palette } = plan;
  const ink: Colour = palette.near;
  const middleX = width * random.between(0.25, 0.75);
  const middleY = horizon * random.between(0.22, 0.45);
  const flock = Array.from({ length: 7 }, () => ({
    x: middleX + random.between(-0.13, 0.13),
    y: middleY + random.between(-0.06, 0.06),
    span: random.between(0.008, 0.018),
    lift: random.between(0.3, 0.6),
  }));
  return (x, y, target) => {
    for (const bird of flock) {
      const aside = Math.abs(x - bird.x) / bird.span;
      if (aside > 1) continue;
      // A wing rises from the body, bends and droops.
      const wing = bird.y - bird.span * bird.lift * Math.sin(aside * 2.5);
      const thickness = 0.0016 * (1.1 - aside);
      cover(target, ink, 0.8 * smoothstep(thickness + 0.001, thickness * 0.4, Math.abs(y - wing)));
    }
  };
}
