import { clamp01, mix } from './maths.ts';

/** A colour as screens take it (sRGB), each channel 0 to 1. Mutable: the painters reuse one for all pixels. */
export interface Colour {
  r: number;
  g: number;
  b: number;
}

function toLinear(channel: number): number {
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
}

function fromLinear(channel: number): number {
  const held = clamp01(channel);
  return held <= 0.0031308 ? held * 12.92 : 1.055 * held ** (1 / 2.4) - 0.055;
}

/** Lightness, green to red, blue to yellow: a space in which the middle between two colours looks like the middle. */
interface Oklab {
  lightness: number;
  greenRed: number;
  blueYellow: number;
}

function toOklab(colour: Colour): Oklab {
  const r = toLinear(colour.r);
  const g = toLinear(colour.g);
  const b = toLinear(colour.b);
  const long = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const medium = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const short = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return {
    lightness: 0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short,
    greenRed: 1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short,
    blueYellow: 0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short,
  };
}

function fromOklab(lab: Oklab): Colour {
  const long = (lab.lightness + 0.3963377774 * lab.greenRed + 0.2158037573 * lab.blueYellow) ** 3;
  const medium = (lab.lightness - 0.1055613458 * lab.greenRed - 0.0638541728 * lab.blueYellow) ** 3;
  const short = (lab.lightness - 0.0894841775 * lab.greenRed - 1.291485548 * lab.blueYellow) ** 3;
  return {
    r: fromLinear(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
    g: fromLinear(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
    b: fromLinear(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short),
  };
}

/** `#rrggbb` as a colour. */
export function parseHex(hex: string): Colour {
  const bits = Number.parseInt(hex.slice(1), 16);
  return { r: (bits >> 16) / 255, g: ((bits >> 8) & 255) / 255, b: (bits & 255) / 255 };
}

/** The colour that looks t of the way from a to b. */
export function blend(a: Colour, b: Colour, t: number): Colour {
  const from = toOklab(a);
  const to = toOklab(b);
  return fromOklab({
    lightness: mix(from.lightness, to.lightness, t),
    greenRed: mix(from.greenRed, to.greenRed, t),
    blueYellow: mix(from.blueYellow, to.blueYellow, t),
  });
}

/** The colour turned around the wheel (radians), its chroma and lightness times a factor. */
export function vary(colour: Colour, turn: number, chroma: number, lightness: number): Colour {
  const lab = toOklab(colour);
  const cos = Math.cos(turn) * chroma;
  const sin = Math.sin(turn) * chroma;
  return fromOklab({
    lightness: lab.lightness * lightness,
    greenRed: lab.greenRed * cos - lab.blueYellow * sin,
    blueYellow: lab.greenRed * sin + lab.blueYellow * cos,
  });
}

/** Perceived brightness, 0 to 1. */
export function luma(colour: Colour): number {
  return 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b;
}

/** `target` moved t of the way to `colour`: paint over it. */
export function cover(target: Colour, colour: Colour, t: number): void {
  target.r += (colour.r - target.r) * t;
  target.g += (colour.g - target.g) * t;
  target.b += (colour.b - target.b) * t;
}

/** `target` lit by that much of `colour`, never beyond white: light upon it. */
export function light(target: Colour, colour: Colour, amount: number): void {
  target.r += (1 - target.r) * colour.r * amount;
  target.g += (1 - target.g) * colour.g * amount;
  target.b += (1 - target.b) * colour.b * amount;
}

/** `target` times a brightness. */
export function dim(target: Colour, factor: number): void {
  target.r *= factor;
  target.g *= factor;
  target.b *= factor;
}

/** `target` becomes `colour`. */
export function assign(target: Colour, colour: Colour): void {
  target.r = colour.r;
  target.g = colour.g;
  target.b = colour.b;
}
