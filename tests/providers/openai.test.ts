import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { openaiProvider } from '@/providers/openai.ts';
import type { GeneratedImage, ImageRequest, ProviderError } from '@/providers/port.ts';
import {
  type Answer,
  failure,
  type ImagesApi,
  json,
  pictureBase64,
  pictures,
  request,
  serveImagesApi,
  silence,
} from './imagesApi.ts';

const KEY = 'sk-test-secret-key';

interface Setting {
  model?: string;
  timeoutMs?: number;
  maxRetries?: number;
}

function providerOf(api: ImagesApi, { model = 'gpt-image-1', timeoutMs = 10_000, maxRetries = 2 }: Setting = {}) {
  return openaiProvider({ baseURL: api.baseURL, apiKey: KEY, model, timeoutMs, maxRetries });
}

async function drawFrom(
  api: ImagesApi,
  asked: Partial<ImageRequest> = {},
  setting: Setting = {},
): Promise<GeneratedImage[]> {
  return providerOf(api, setting).generate(request(asked), { signal: new AbortController().signal });
}

async function failureFrom(
  answers: Answer[],
  asked: Partial<ImageRequest> = {},
  setting: Setting = {},
): Promise<ProviderError> {
  const api = await serveImagesApi(answers);
  const error = await drawFrom(api, asked, setting).then(
    () => expect.fail('It should have failed.'),
    (reason: ProviderError) => reason,
  );
  expect(error.name).toBe('ProviderError');
  return error;
}

describe('what it sends', () => {
  it('calls images/generations of the base address with the key and the configured model', async () => {
    const api = await serveImagesApi([pictures()]);
    await drawFrom(api);
    expect(api.calls).toHaveLength(1);
    expect(api.calls[0]).toMatchObject({
      path: '/v1/images/generations',
      authorization: `Bearer ${KEY}`,
      body: { model: 'gpt-image-1', n: 1 },
    });
  });

  it('puts style and negative prompt into the text, since the API has no field for them', async () => {
    const api = await serveImagesApi([pictures()]);
    await drawFrom(api, { prompt: 'A fox', style: 'watercolor', negativePrompt: 'people' });
    expect(api.calls[0]?.body['prompt']).toBe('A fox\n\nStyle: watercolor.\n\nAvoid: people.');
  });

  it.each([
    ['gpt-image-2', '4:3', 'standard', { size: '1344x1008', quality: 'medium' }],
    ['gpt-image-1.5', '16:9', 'hd', { size: '1536x1024', quality: 'high' }],
    ['chatgpt-image-latest', '9:16', 'standard', { size: '1024x1536', quality: 'medium' }],
    ['dall-e-3', '3:2', 'hd', { size: '1792x1024', quality: 'hd', response_format: 'b64_json' }],
    ['dall-e-2', '16:9', 'standard', { size: '512x512', response_format: 'b64_json' }],
    ['sd-xl', '16:9', 'standard', { size: '1344x768', response_format: 'b64_json' }],
    ['sd-xl', '2:3', 'hd', { size: '832x1216', response_format: 'b64_json', quality: 'hd' }],
  ] as const)('speaks the dialect of %s for %s %s', async (model, aspectRatio, quality, expected) => {
    const api = await serveImagesApi([pictures()]);
    await drawFrom(api, { aspectRatio, quality }, { model });
    const { model: _model, prompt: _prompt, n: _n, stream: _stream, ...parameters } = api.calls[0]?.body ?? {};
    expect(parameters).toEqual(expected);
  });

  it('asks a model that gives one picture at a time as often as pictures are wanted', async () => {
    const api = await serveImagesApi([pictures(), pictures(), pictures()]);
    expect(await drawFrom(api, { count: 3 }, { model: 'dall-e-3' })).toHaveLength(3);
    expect(api.calls.map((call) => call.body['n'])).toEqual([1, 1, 1]);
  });

  it('leaves out for good an optional parameter that the endpoint does not know', async () => {
    const unknown = failure(400, { message: 'Argument not supported: size' });
    const api = await serveImagesApi([unknown, pictures(), pictures()]);
    const provider = providerOf(api, { model: 'some-model' });
    const { signal } = new AbortController();
    await provider.generate(request(), { signal });
    await provider.generate(request(), { signal });
    expect(api.calls.map((call) => 'size' in call.body)).toEqual([true, false, false]);
  });

  it('never leaves out the quality that was paid for: an endpoint that does not know hd fails the request', async () => {
    const api = await serveImagesApi([failure(400, { message: 'Argument not supported: quality' }), pictures()]);
    await expect(drawFrom(api, { quality: 'hd' }, { model: 'some-model' })).rejects.toMatchObject({ retryable: false });
    expect(api.calls).toHaveLength(1);
  });
});

describe('what it accepts', () => {
  it('takes pictures in base64, with type and size read from the bytes themselves', async () => {
    const api = await serveImagesApi([json(200, { data: [{ b64_json: pictureBase64(7, 5) }] })]);
    const [image] = await drawFrom(api);
    expect(image).toMatchObject({ contentType: 'image/png', width: 7, height: 5 });
    expect(Buffer.from(image?.bytes ?? []).toString('base64')).toBe(pictureBase64(7, 5));
  });

  it('takes a data address in the place of base64', async () => {
    const api = await serveImagesApi([json(200, { data: [{ b64_json: `data:image/png;base64,${pictureBase64()}` }] })]);
    expect(await drawFrom(api)).toHaveLength(1);
  });

  it('fetches pictures that are given by address, without handing the key on', async () => {
    let authorization: string | undefined;
    const file: Answer = (response) => {
      authorization = response.req.headers.authorization;
      response.end(Buffer.from(pictureBase64(9, 4), 'base64'));
    };
    const link: Answer = (response, origin) => json(200, { data: [{ url: `${origin}/made/1` }] })(response, origin);
    const api = await serveImagesApi([link], { '/made/1': file });
    expect(await drawFrom(api)).toMatchObject([{ contentType: 'image/png', width: 9, height: 4 }]);
    expect(authorization).toBeUndefined();
  });

  it('asks again for the rest when the endpoint gives fewer than asked', async () => {
    const api = await serveImagesApi([pictures(1), pictures(2)]);
    expect(await drawFrom(api, { count: 3 })).toHaveLength(3);
    expect(api.calls.map((call) => call.body['n'])).toEqual([3, 2]);
  });

  it('keeps exactly as many as asked when the endpoint gives more', async () => {
    const api = await serveImagesApi([pictures(4)]);
    expect(await drawFrom(api, { count: 2 })).toHaveLength(2);
  });
});

describe('retries', () => {
  it('repeats a call that was turned away with 429, after the wait that the endpoint asks for', async () => {
    const api = await serveImagesApi([failure(429, { message: 'slow down' }), pictures()]);
    expect(await drawFrom(api)).toHaveLength(1);
    expect(api.calls).toHaveLength(2);
  });

  it('gives up after its retries on 500, and says that another attempt could succeed', async () => {
    const api = await serveImagesApi(Array.from({ length: 3 }, () => failure(500, { message: 'boom' })));
    await expect(drawFrom(api)).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
    expect(api.calls).toHaveLength(3);
  });

  it('does not wait for an hour because an endpoint says so', async () => {
    const api = await serveImagesApi([
      json(429, { error: { message: 'later' } }, { 'retry-after': '3600' }),
      pictures(),
    ]);
    await expect(drawFrom(api)).rejects.toMatchObject({ retryable: true });
    expect(api.calls).toHaveLength(1);
  });

  it('ends a call that is not answered in time, as retryable', async () => {
    const error = await failureFrom([silence], {}, { timeoutMs: 50, maxRetries: 0 });
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('in time') });
  });

  it('ends an answer that begins and never finishes, as retryable', async () => {
    const endless: Answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"data": [');
    };
    const error = await failureFrom([endless], {}, { timeoutMs: 100, maxRetries: 0 });
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('in time') });
  });
});

describe('failures', () => {
  it.each([
    ['moderation_blocked', { code: 'moderation_blocked', type: 'image_generation_user_error', message: 'no' }],
    ['content_policy_violation', { code: 'content_policy_violation', message: 'no' }],
    ['no code, in prose', { message: 'Your request was rejected as a result of our safety system.' }],
  ])(
    'a prompt that the model refuses (%s) is final, and the message tells the caller to reword it',
    async (_, body) => {
      const error = await failureFrom([failure(400, body)]);
      expect(error).toMatchObject({ retryable: false, message: expect.stringMatching(/refused.*reword/i) });
    },
  );

  it('an answer without any picture is a refusal too: that is how some services moderate', async () => {
    expect(await failureFrom([json(200, { data: [] })])).toMatchObject({ retryable: false });
  });

  it.each([401, 403, 404])(
    "%i is the operator's to mend: final, and the message shows neither key nor host",
    async (status) => {
      const error = await failureFrom([failure(status, { message: `Incorrect API key provided: ${KEY}` })]);
      expect(error.retryable).toBe(false);
      expect(error.message).toContain('operator');
      expect(error.message).not.toMatch(/sk-|127\.0\.0\.1|localhost/);
    },
  );

  it('an exhausted account is final, although it comes as 429', async () => {
    const spent = failure(429, { code: 'insufficient_quota', message: 'You exceeded your current quota' });
    expect(await failureFrom([spent, spent, spent])).toMatchObject({ retryable: false });
  });

  it('any other 400 is final, and tells the caller what may be changed', async () => {
    const error = await failureFrom([failure(400, { message: 'prompt is too long' })]);
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('shorten') });
  });

  it.each<[string, Answer]>([
    ['no JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('<html>')],
    ['another content type', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['another shape', json(200, { images: [] })],
    ['neither base64 nor address', json(200, { data: [{ revised_prompt: 'a fox' }] })],
    ['bytes that are no picture', json(200, { data: [{ b64_json: Buffer.from('hello').toString('base64') }] })],
    ['an address that is not https', json(200, { data: [{ url: 'http://192.0.2.1/picture.png' }] })],
    ['an address of another protocol', json(200, { data: [{ url: 'file:///etc/hostname' }] })],
  ])('an answer with %s is a retryable failure', async (_, answer) => {
    expect(await failureFrom([answer])).toMatchObject({
      retryable: true,
      message: expect.stringContaining('no picture'),
    });
  });

  it('a picture whose address leads elsewhere is not followed', async () => {
    let reached = false;
    const link: Answer = (response, origin) => json(200, { data: [{ url: `${origin}/moved` }] })(response, origin);
    const api = await serveImagesApi([link], {
      '/moved': (response) => response.writeHead(302, { location: '/target' }).end(),
      '/target': (response) => {
        reached = true;
        response.end(encode({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) }));
      },
    });
    await expect(drawFrom(api)).rejects.toMatchObject({ retryable: true });
    expect(reached).toBe(false);
  });

  it('one failed call of several fails the whole: pictures are delivered all or none', async () => {
    const api = await serveImagesApi([pictures(), failure(400, { code: 'moderation_blocked', message: 'no' })]);
    await expect(drawFrom(api, { count: 2 }, { model: 'dall-e-3' })).rejects.toMatchObject({ retryable: false });
  });

  it('nobody at the address is retryable', async () => {
    const error = await openaiProvider({
      baseURL: 'http://127.0.0.1:1/v1',
      apiKey: KEY,
      model: 'm',
      timeoutMs: 1000,
      maxRetries: 0,
    })
      .generate(request(), { signal: new AbortController().signal })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'ProviderError', retryable: true });
  });
});

describe('what it does not do', () => {
  it.each(['image-to-image', 'inpainting', 'outpainting', 'upscale', 'variation'] as const)(
    'refuses %s without calling anybody, least of all the address of the caller',
    async (type) => {
      const api = await serveImagesApi([pictures()], { '/source.png': () => expect.fail('The source was fetched.') });
      const sourceImageUrl = `${new URL(api.baseURL).origin}/source.png`;
      await expect(drawFrom(api, { type, sourceImageUrl })).rejects.toMatchObject({
        retryable: false,
        message: expect.stringContaining('text-to-image'),
      });
      expect(api.calls).toHaveLength(0);
    },
  );

  it("refuses a model other than the operator's, and takes the operator's by name", async () => {
    const api = await serveImagesApi([pictures()]);
    await expect(drawFrom(api, { model: 'gpt-image-9' })).rejects.toMatchObject({ retryable: false });
    expect(await drawFrom(api, { model: 'gpt-image-1' })).toHaveLength(1);
  });
});

describe('stopping', () => {
  it('ends a call under way at once, as retryable', async () => {
    const controller = new AbortController();
    const api = await serveImagesApi([() => controller.abort()]);
    await expect(providerOf(api).generate(request(), { signal: controller.signal })).rejects.toMatchObject({
      name: 'ProviderError',
      retryable: true,
      message: expect.stringContaining('stopped'),
    });
    expect(api.calls).toHaveLength(1);
  });

  it('ends the wait before a retry at once', async () => {
    const controller = new AbortController();
    const busy: Answer = (response, origin) => {
      response.once('close', () => controller.abort());
      json(503, { error: { message: 'busy' } }, { 'retry-after-ms': '15000', connection: 'close' })(response, origin);
    };
    const api = await serveImagesApi([busy, pictures()]);
    await expect(providerOf(api).generate(request(), { signal: controller.signal })).rejects.toMatchObject({
      message: expect.stringContaining('stopped'),
    });
    expect(api.calls).toHaveLength(1);
  }, 5000);

  it('calls nobody when it is stopped before it began', async () => {
    const api = await serveImagesApi([pictures()]);
    await expect(providerOf(api).generate(request(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      retryable: true,
    });
    expect(api.calls).toHaveLength(0);
  });
});
