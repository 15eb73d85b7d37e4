import type { PaletteName } from './palettes.ts';

/** What can stand in a landscape. */
export type Feature = 'clouds' | 'stars' | 'aurora' | 'water' | 'trees' | 'mist' | 'sun' | 'snow' | 'birds';

/** What kind of picture it is. */
export type SceneName = 'mountains' | 'hills' | 'forest' | 'dunes' | 'sea' | 'city' | 'cosmos' | 'flow';

interface Meaning {
  words: string;
  palette?: PaletteName;
  scene?: SceneName;
  features?: readonly Feature[];
}

/** Earlier lines win where two words want different things. */
const MEANINGS: readonly Meaning[] = [
  { words: 'aurora borealis northern', palette: 'night', features: ['aurora', 'stars'] },
  {
    words: 'galaxy nebula cosmos cosmic universe planet space astronaut saturn orbit alien interstellar',
    scene: 'cosmos',
    palette: 'night',
  },
  {
    words: 'abstract fluid liquid marble pattern texture swirl wave-form psychedelic silk smoke ink geometry',
    scene: 'flow',
  },
  { words: 'cyberpunk neon synthwave vaporwave futuristic', palette: 'neon', scene: 'city' },
  {
    words: 'city skyline street building tower downtown metropolis urban tokyo york london paris skyscraper rooftop',
    scene: 'city',
  },
  {
    words: 'ocean sea beach coast island wave shore sail sailboat ship harbor harbour lighthouse surf tropical',
    scene: 'sea',
    features: ['water'],
  },
  { words: 'desert dune sahara sand camel oasis canyon mesa', scene: 'dunes', palette: 'desert' },
  {
    words: 'forest wood woodland jungle pine tree redwood rainforest grove deer',
    scene: 'forest',
    features: ['trees', 'mist'],
  },
  { words: 'mountain alps peak summit himalaya cliff volcano everest glacier fjord', scene: 'mountains' },
  { words: 'meadow field hill valley countryside farm village garden vineyard prairie', scene: 'hills' },
  { words: 'lake river pond reflection waterfall fjord lagoon', features: ['water'] },
  { words: 'fire lava volcano dragon inferno hell flame burning apocalypse', palette: 'fire' },
  { words: 'sunset dusk evening twilight', palette: 'sunset', features: ['sun'] },
  { words: 'sunrise dawn morning', palette: 'dawn', features: ['sun'] },
  { words: 'night moon midnight moonlight moonlit starry star', palette: 'night', features: ['stars', 'sun'] },
  { words: 'storm thunder rain stormy lightning gloomy dark dramatic', palette: 'storm', features: ['clouds'] },
  { words: 'winter snow snowy ice frozen arctic frost christmas', palette: 'winter', features: ['snow'] },
  { words: 'autumn fall maple october harvest', palette: 'autumn', features: ['trees'] },
  { words: 'spring blossom sakura cherry flower rose tulip floral pink', palette: 'spring' },
  {
    words: 'dream dreamy magic magical fantasy fairy unicorn enchanted castle mystical lavender purple wizard',
    palette: 'dream',
  },
  { words: 'golden gold warm honey amber sunny wheat', palette: 'golden', features: ['sun'] },
  { words: 'green nature emerald spring-green moss bamboo', palette: 'forest' },
  { words: 'blue water underwater aquatic turquoise whale dolphin', palette: 'ocean' },
  { words: 'summer noon bright day sky', palette: 'noon' },
  { words: 'mist misty fog foggy haze hazy', features: ['mist'] },
  { words: 'cloud cloudy', features: ['clouds'] },
  { words: 'bird gull crow eagle', features: ['birds'] },
  { words: 'sun sunlight', features: ['sun'] },
];

/** What the words of a text ask for; everything that they leave open is undefined or absent. */
export interface Reading {
  palette: PaletteName | undefined;
  scene: SceneName | undefined;
  features: ReadonlySet<Feature>;
}

/** Lower-case words, each also without a plural's s. */
function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  return new Set(words.flatMap((word) => [word, word.replace(/s$/, '')]));
}

/** Reads a prompt the way that a painter reads a commission: for place, light and weather. */
export function readWords(text: string): Reading {
  const words = wordsOf(text);
  const found = MEANINGS.filter((meaning) => meaning.words.split(' ').some((word) => words.has(word)));
  return {
    palette: found.find((meaning) => meaning.palette)?.palette,
    scene: found.find((meaning) => meaning.scene)?.scene,
    features: new Set(found.flatMap((meaning) => meaning.features ?? [])),
  };
}
