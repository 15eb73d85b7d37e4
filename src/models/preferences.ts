import { GENERATION_DEFAULTS } from '../domain/generation.ts';
import type { UserPreferences } from './User.ts';

/** What holds for whoever has chosen nothing. */
export const DEFAULT_PREFERENCES: UserPreferences = {
  theme: 'system',
  language: 'en',
  defaultStyle: GENERATION_DEFAULTS.style,
  defaultAspectRatio: GENERATION_DEFAULTS.aspectRatio,
  defaultQuality: GENERATION_DEFAULTS.quality,
};
