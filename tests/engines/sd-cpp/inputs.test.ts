// Pictures that a job names: fetched, checked, made upright, and the mask brought to their size.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { imageInputs, videoInputs } from '../../../src/engines/sd-cpp/inputs.ts';
import { bytesOf, hearing, imageTask, openScene, useStandIn, videoTask } from './scene.ts';

useStandIn('server');

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#c04000' } });
const data = (bytes: Uint8Array, type = 'image/png') => `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
const webp = data(await picture(80, 40).webp().toBuffer(), 'image/webp');
const mask = data(await picture(20, 30).png().toBuffer());

describe('input pictures', () => {
  test('become PNG files, upright, with a mask of their size', async () => {
    await using scene = await openScene();
    const context = await hearing(scene);
    const inputs = await imageInputs(imageTask('a', { initImageUrl: webp, maskUrl: mask }), context);
    const facts = async (path = '') => {
      const { format, width, height, channels } = await sharp(path).metadata();
      return [format, width, height, channels];
    };
    assert.deepEqual(await facts(inputs.init), ['png', 80, 40, 3]);
    assert.deepEqual(await facts(inputs.mask), ['png', 80, 40, 1]);
    const turned = data(await picture(80, 40).withMetadata({ orientation: 6 }).jpeg().toBuffer(), 'image/jpeg');
    const { init } = await videoInputs(videoTask('a', { initImageUrl: turned }), await hearing(scene));
    assert.deepEqual(await facts(init), ['png', 40, 80, 3]);
  });

  test('a reference wins over an init image, and a mask alone means nothing', async () => {
    await using scene = await openScene();
    const both = await hearing(scene);
    const task = imageTask('a', { refImageUrl: webp, initImageUrl: 'https://never.example/asked', maskUrl: mask });
    assert.deepEqual(Object.keys(await imageInputs(task, both)), ['ref', 'mask']);
    assert.ok(both.lines.some((line) => line.startsWith('the init image is not used')));
    const alone = await hearing(scene);
    assert.deepEqual(await imageInputs(imageTask('a', { maskUrl: 'https://never.example/asked' }), alone), {});
    assert.ok(alone.lines.some((line) => line.startsWith('the mask is not used')));
  });

  test('that cannot be used are refused for good, each with its reason', async () => {
    await using scene = await openScene();
    await using web = await serve();
    // 41 megapixels in a few kilobytes, as one colour is.
    const huge = await picture(8000, 5125).png({ compressionLevel: 9 }).toBuffer();
    const noise = await sharp(
      Buffer.alloc(90 * 90 * 3).map((_, at) => (at * 7919) % 251),
      {
        raw: { width: 90, height: 90, channels: 3 },
      },
    )
      .png()
      .toBuffer();
    for (const [url, message] of [
      [`${web.url}/empty`, /init image is empty/],
      [`${web.url}/missing`, /init image cannot be had: .*404/],
      [data(Buffer.from('<html>')), /init image is not a picture/],
      [data(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')), /is a svg file; send PNG/],
      [data(huge), /41 megapixels; at most 32/],
      [data(noise.subarray(0, noise.byteLength / 2)), /init image is damaged/],
    ] as const) {
      const context = await hearing(scene);
      await assert.rejects(imageInputs(imageTask('a', { initImageUrl: url }), context), {
        code: 'INPUT_INVALID',
        message,
      });
    }
    const local = imageInputs(imageTask('a', { initImageUrl: 'file:///etc/hostname' }), await hearing(scene));
    await assert.rejects(local, { retryable: false });
    const badMask = imageTask('a', { initImageUrl: webp, maskUrl: data(Buffer.from('no')) });
    await assert.rejects(imageInputs(badMask, await hearing(scene)), { message: /the mask is not a picture/ });
  });

  test('reach the server', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const context = await hearing(scene);
    await bytesOf(model, imageTask('a', { initImageUrl: webp, denoise: 0.3, steps: 8 }), context);
    // Eight steps at a strength of 0.3 are three, and the server says so.
    assert.deepEqual(context.progressed.findLast(({ steps }) => steps !== undefined)?.steps, 3);
    assert.ok(context.lines.includes('IMG2IMG'));
  });
});

async function serve(): Promise<{ url: string } & AsyncDisposable> {
  const server: Server = createServer(({ url }, response) => {
    if (url === '/empty') response.end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
