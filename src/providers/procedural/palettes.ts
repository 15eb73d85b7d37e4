import { type Colour, parseHex, vary } from './colour.ts';
import type { Random } from './random.ts';

/** The light and the matter of one scene. */
export interface Palette {
  /** From the zenith to the horizon. */
  sky: readonly [Colour, Colour, Colour, Colour];
  /** The light around the sun, and the sun itself. */
  glow: Colour;
  sun: Colour;
  /** What distance turns all things to. */
  haze: Colour;
  /** Land in the middle distance, and the nearest. */
  middle: Colour;
  near: Colour;
  /** Clouds where the light falls, and where it does not. */
  cloudLit: Colour;
  cloudShade: Colour;
}

/** sky (4), glow, sun, haze, middle, near, cloud lit, cloud shade. */
const HEXES = {
  sunset: '#27204f #74376f #e2665c #ffc47c #ff9a5a #fff3cf #e08d72 #6a3659 #1b122c #ffc48f #7d4470',
  dawn: '#5878ab #a3b2d6 #f2c3c2 #ffe8cb #ffd3b0 #fffaf0 #e6c4c6 #7f82ab #2c3158 #fff0e2 #b79fbd',
  noon: '#1d5cab #478fd3 #96c9ec #e2f2f6 #fff4d8 #fffdf4 #b9d7e6 #4d8089 #1c3d33 #ffffff #a3bbd3',
  golden: '#5478a0 #b4b5ae #f1cb88 #ffe3a4 #ffcf73 #fffbe3 #efc487 #9c6a3a #352012 #fff0c7 #b08f77',
  night: '#050920 #0e1b42 #223a70 #4c679a #9bb6ea #f5f1dc #39538a #1a2b54 #050915 #7d97c9 #1c2c58',
  forest: '#7aa6a3 #aacab6 #dbe7c6 #f6f1d3 #fff3c4 #fffdf0 #cbdcbf #48785c #0e2620 #fdfbea #a7bfae',
  ocean: '#11528c #388dc3 #8bcfdd #e5f6ee #fff3cf #fffdf2 #a3d5dc #2d7f97 #0a2f45 #ffffff #93b9cc',
  desert: '#3b7bb2 #8ab6cd #f0d1a3 #fbe4b8 #ffdf9b #fffbea #ebc596 #c4703b #5f271a #fff3dc #c3a08f',
  winter: '#6789b5 #a3bedb #d9e5f0 #fcf4ea #fff0d9 #fffdf8 #cfdeec #7b9aba #263d5a #ffffff #aabdd6',
  autumn: '#65809f #b1b4ac #f1c696 #ffe2b3 #ffce8a #fffae8 #e6b98a #b0532a #3a1714 #fff0d6 #b79a86',
  spring: '#78a2da #b5c5eb #f6cddf #fff1eb #ffe0e4 #fffaf6 #f0c8da #b27ba4 #47294f #fffafa #c9b0d0',
  storm: '#182029 #34424f #67767f #b6bcb5 #dfe3d6 #f6f6ec #8a979b #41515a #0e1519 #c3c9c6 #4a5862',
  fire: '#100914 #3b111f #9b2a1c #ff8c3c #ff6a2b #ffe2ae #ad452b #481920 #0c0507 #e8753c #39141d',
  neon: '#090421 #2a0e5a #8b1f90 #ff62a4 #ff5fc0 #ffe0f4 #7b2f9e #2c1a66 #080518 #ff8fd0 #3d1b77',
  dream: '#38286a #7a5ab0 #d69fd2 #ffdcd4 #ffc2d9 #fff6ee #c99bcb #66509a #241b47 #ffe6ee #8e73b5',
} as const;

export type PaletteName = keyof typeof HEXES;

export const DAYLIGHT_PALETTES = [
  'sunset',
  'dawn',
  'noon',
  'golden',
  'forest',
  'ocean',
  'desert',
  'winter',
  'autumn',
  'spring',
  'storm',
  'dream',
] as const satisfies readonly PaletteName[];

/** That palette, turned a little by chance: two sunsets are never the same sunset. */
export function mixPalette(name: PaletteName, random: Random): Palette {
  const turn = random.between(-0.16, 0.16);
  const chroma = random.between(0.88, 1.16);
  const lightness = random.between(0.96, 1.04);
  const [a, b, c, d, glow, sun, haze, middle, near, cloudLit, cloudShade] = HEXES[name]
    .split(' ')
    .map((hex) => vary(parseHex(hex), turn, chroma, lightness));
  if (!a || !b || !c || !d || !glow || !sun || !haze || !middle || !near || !cloudLit || !cloudShade) {
    throw new Error(`The palette ${name} lacks a colour.`);
  }
  return { sky: [a, b, c, d], glow, sun, haze, middle, near, cloudLit, cloudShade };
}
