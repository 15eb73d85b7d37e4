import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, useChromium } from '../support/chromium.ts';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import { type Described, readDescription } from '../support/openapi.ts';

const store = useDatabase();
const cluster = useCluster(store);
let url: string;
let described: Described;
beforeAll(async () => {
  url = (await cluster.start('node', { ARTIFEX_WORKER: 'off' })).url;
  described = await readDescription(await fetch(`${url}/openapi.json`));
});

interface Visit {
  page: Page;
  /** Every address that the page asked for. */
  asked: string[];
  /** What the console calls an error, and what was thrown. */
  complaints: string[];
}

const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 800 };

if (CHROMIUM === undefined) console.warn('No Chromium is installed: the reference is not looked at in a browser.');

describe.skipIf(CHROMIUM === undefined)('the reference in Chromium', () => {
  const chromium = useChromium();
  let visit: Visit | undefined;
  afterEach(() => visit?.page.context().close());

  async function open(viewport: { width: number; height: number }, colorScheme: 'light' | 'dark' = 'light') {
    const context = await chromium.browser().newContext({ viewport, colorScheme });
    const page = await context.newPage();
    const opened: Visit = { page, asked: [], complaints: [] };
    visit = opened;
    page.on('request', (request) => opened.asked.push(request.url()));
    page.on('pageerror', (error) => opened.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') opened.complaints.push(message.text());
    });
    expect((await page.goto(`${url}/docs`))?.status()).toBe(200);
    return opened;
  }

  it('shows every operation of the description, each under a heading of its own', async () => {
    const { page, complaints } = await open(DESK);
    const headings = await page.locator('article h3').evaluateAll((all) => all.map((each) => each.textContent ?? ''));
    for (const { method, path, operationId } of described.operations) {
      expect(
        headings.filter((text) => text.startsWith(`${method} ${path} `)),
        `${method} ${path}`,
      ).toHaveLength(1);
      expect(await page.locator(`[id="${operationId}"]`).isVisible(), operationId).toBe(true);
    }
    expect(headings).toHaveLength(described.operations.length);
    expect(complaints).toEqual([]);
  });

  it('asks no host but its own, and gets the style sheet from it', async () => {
    const { page, asked, complaints } = await open(DESK);
    expect(asked).toContain(`${url}/docs/style.css`);
    expect(asked.filter((address) => new URL(address).origin !== url)).toEqual([]);
    expect(await page.locator('main').evaluate((main) => getComputedStyle(main).maxWidth)).toBe('960px');
    expect(complaints).toEqual([]);
  });

  it.each([
    ['a phone', PHONE],
    ['a desk', DESK],
  ])('fits the width of %s: only tables and examples scroll sideways', async (_, viewport) => {
    const { page } = await open(viewport);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
  });

  it('is used with the keyboard: past the contents, and from the contents to an operation', async () => {
    const { page } = await open(DESK);
    await page.keyboard.press('Tab');
    const skip = page.locator('a.skip');
    expect(await skip.evaluate((link) => link === document.activeElement)).toBe(true);
    expect((await skip.boundingBox())?.x).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#content');
    const last = described.operations.at(-1);
    const link = page.locator(`nav a[href="#${last?.operationId}"]`);
    await link.focus();
    expect(await link.evaluate((each) => getComputedStyle(each).outlineStyle)).not.toBe('none');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe(`#${last?.operationId}`);
    const top = await page.locator(`[id="${last?.operationId}"]`).evaluate((each) => each.getBoundingClientRect().top);
    expect(top).toBeGreaterThanOrEqual(0);
    expect(top).toBeLessThan(DESK.height);
  });

  it('reaches by Tab whatever scrolls sideways, so that it can be read without a mouse', async () => {
    const { page } = await open(PHONE);
    const isReached = await page.locator('.table, pre').evaluateAll((all) =>
      all
        .filter((each) => each.scrollWidth > each.clientWidth)
        .map((each) => {
          if (each instanceof HTMLElement) each.focus();
          return each === document.activeElement;
        }),
    );
    expect(isReached.length).toBeGreaterThan(0);
    expect(isReached).not.toContain(false);
  });

  it('follows a dark system', async () => {
    const colourOf = async (scheme: 'light' | 'dark') => {
      const { page } = await open(DESK, scheme);
      const colour = await page.evaluate(() => getComputedStyle(document.body).color);
      await page.context().close();
      return colour;
    };
    expect(await colourOf('light')).not.toBe(await colourOf('dark'));
  });
});
