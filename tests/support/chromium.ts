import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

/** Where systems put it; nothing is downloaded. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser of this machine; undefined where there is none. */
export const CHROMIUM = PLACES.find((place) => existsSync(place));

/** One browser for the tests of a block. */
export function useChromium(): { browser(): Browser } {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (CHROMIUM !== undefined) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());
  return {
    browser() {
      if (!browser) throw new Error(`There is no Chromium in ${PLACES.join(', ')}`);
      return browser;
    },
  };
}
