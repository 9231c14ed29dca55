// What the ffmpeg engine makes of a task, without ffmpeg.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { childEnv } from '../../../src/engines/ffmpeg/child-env.ts';
import { cameraOf, FFMPEG_MODELS } from '../../../src/engines/ffmpeg/models.ts';
import { sourceSize, zoompan } from '../../../src/engines/ffmpeg/motion.ts';
import { planOf } from '../../../src/engines/ffmpeg/plan.ts';
import { digestOf, promptPicture } from '../../../src/engines/ffmpeg/prompt-picture.ts';
import type { VideoTask } from '../../../src/protocol/index.ts';
import { syntheticJob, task } from '../../workers/rig.ts';

const plan = (more: Partial<VideoTask> = {}, model = 'ffmpeg', defaults = {}) => {
  const camera = cameraOf(model);
  assert.ok(camera);
  const told = task('video', 'a fox', { width: 64, height: 48, seconds: 2, ext: 'mp4', ...more }) as VideoTask;
  return planOf(told, camera, syntheticJob('video', '', { cliDefaults: defaults }).source.cliDefaults);
};

describe('a plan', () => {
  for (const [what, more, model, expected] of [
    ['mp4 is H.264', {}, 'ffmpeg', { ext: 'mp4', codec: 'h264', fps: 24, frames: 48, motion: 'ken-burns' }],
    [
      'webm is VP9',
      { ext: 'webm', fps: 10 },
      'ffmpeg-zoom-out',
      { ext: 'webm', codec: 'vp9', frames: 20, motion: 'zoom-out' },
    ],
    ['AV1 is asked for by name', { ext: 'webm' }, 'ffmpeg-av1', { codec: 'av1', motion: 'ken-burns' }],
    ['AV1 in mp4', {}, 'ffmpeg-still-av1', { codec: 'av1', motion: 'still' }],
    ['a gif has ten frames a second', { ext: 'gif' }, 'ffmpeg-pan-left', { codec: undefined, fps: 10, frames: 20 }],
    ['broken rates are kept', { fps: 23.976, seconds: 1 }, 'ffmpeg', { fps: 23.976, frames: 24 }],
    ['there is at least one frame', { seconds: 0.001 }, 'ffmpeg', { frames: 1 }],
    ['a size that is not chosen', { width: 0, height: 0 }, 'ffmpeg', { width: 512, height: 512 }],
  ] as const) {
    test(what, () => {
      const made: Record<string, unknown> = plan(more, model);
      for (const [key, value] of Object.entries(expected)) assert.equal(made[key], value, key);
    });
  }

  test('takes the size of the model when the task has none', () => {
    assert.deepEqual(
      [plan({ width: 0 }, 'ffmpeg', { width: 320 }).width, plan({ height: 0 }, 'ffmpeg', { height: 240 }).height],
      [320, 240],
    );
  });

  for (const [more, message, model = 'ffmpeg'] of [
    [{ ext: 'avi' }, /`avi`; the ffmpeg engine writes: mp4, webm, gif/],
    [{ ext: 'MP4' }, /`MP4`/],
    [{ ext: '' }, /``/],
    [{ width: 63 }, /width 63 is odd.*such as 62/],
    [{ height: 1081 }, /height 1081 is odd/],
    [{ width: 14 }, /width 14 is out of range: 16 to 1920/],
    [{ height: 1922 }, /height 1922 is out of range/],
    [{ fps: 0 }, /fps 0 is out of range: 1 to 60/],
    [{ fps: -5 }, /fps -5/],
    [{ fps: 61 }, /fps 61/],
    [{ fps: 51, ext: 'gif' }, /fps 51 is out of range: 1 to 50 for gif/],
    [{ seconds: 0 }, /0 seconds/],
    [{ seconds: -1 }, /-1 seconds/],
    [{ seconds: 60.5 }, /at most 60/],
    [{ ext: 'gif' }, /gif cannot hold AV1/, 'ffmpeg-av1'],
  ] as [Partial<VideoTask>, RegExp, string?][]) {
    test(`is refused: ${message}`, () =>
      assert.throws(() => plan(more, model), { code: 'INPUT_INVALID', retryable: false, message }));
  }
});

test('every name has its camera, and no other name has one', () => {
  assert.equal(FFMPEG_MODELS.length, 14);
  for (const name of FFMPEG_MODELS) assert.match(name, /^ffmpeg(-[a-z]+)*(-av1)?$/);
  for (const name of ['', 'wan2.2', 'ffmpeg-', 'ffmpeg-ken-burns-h264', 'constructor', 'FFMPEG']) {
    assert.equal(cameraOf(name), undefined);
  }
});

describe('the camera', () => {
  test('goes over a picture as large as is worth its memory', () => {
    assert.deepEqual(sourceSize(plan()), { width: 256, height: 192 });
    assert.deepEqual(sourceSize(plan({ width: 1920, height: 1080 })), { width: 3840, height: 2160 });
  });

  test('moves as its name says, and a single frame stands', () => {
    const of = (model: string, more: Partial<VideoTask> = {}, anchor = 0) => zoompan(plan(more, model), anchor);
    assert.equal(
      of('ffmpeg-zoom-in'),
      "zoompan=z='1+0.25*on/47':x='(iw-iw/zoom)*(0.5)':y='(ih-ih/zoom)*0.5':d=48:s=64x48:fps=24",
    );
    assert.match(of('ffmpeg-zoom-out'), /z='1\.25-0\.25\*on\/47'/);
    assert.match(of('ffmpeg-pan-right'), /z='1\.25':x='\(iw-iw\/zoom\)\*\(on\/47\)'/);
    assert.match(of('ffmpeg-pan-left'), /x='\(iw-iw\/zoom\)\*\(1-on\/47\)'/);
    assert.match(of('ffmpeg-still'), /z='1'/);
    assert.match(of('ffmpeg', {}, 5), /x='\(iw-iw\/zoom\)\*\(1\)':y='\(ih-ih\/zoom\)\*0\.5'/);
    assert.match(of('ffmpeg', { seconds: 0.01 }), /z='1\+0\.25\*0'.*d=1:/);
  });
});

test('a prompt’s picture is the same each time, another prompt’s is another, and no text is in it', () => {
  const picture = (prompt: string) => promptPicture(digestOf(prompt), 64, 48);
  assert.equal(picture('a'), picture('a'));
  assert.notEqual(picture('a'), picture('b'));
  assert.doesNotMatch(picture('<script>'), /script|NaN|undefined/);
});

test('ffmpeg sees what it needs of our environment, and nothing else', () => {
  const env = { PATH: '/bin', STUDIO_WORKER_TOKEN: 'x', HF_TOKEN: 'x', FFREPORT: 'file=x', LANG: 'de_DE' };
  assert.deepEqual(childEnv(env), { PATH: '/bin', LC_ALL: 'C' });
});
