import type { Canvas } from '../canvas.ts';
import type { Pace } from '../pace.ts';
import type { Plan } from '../plan.ts';
import type { Size } from '../size.ts';

/** Renders a painted scene in one manner: on the same canvas, or on another one, of that size in pixels. */
export type Finish = (scene: Canvas, plan: Plan, pace: Pace, size: Size) => Promise<Canvas>;
