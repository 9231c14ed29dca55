// One real studio for a test file: workerd under Miniflare, its operator, and a state folder when the test restarts it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EmbeddedStudio, openStudio, type StudioOptions } from '../../src/studio/host/embedded-studio.ts';
import { type NewJob, type Operator, openOperator } from '../../src/studio/operator-client.ts';

export const ADMIN_TOKEN = 'test-admin-token-0123456789';

export type TestStudio = AsyncDisposable & { studio: EmbeddedStudio; operator: Operator; url: string };

export async function openTestStudio(options: Partial<StudioOptions> = {}): Promise<TestStudio> {
  const studio = await openStudio({ adminToken: ADMIN_TOKEN, ...options });
  const operator = openOperator({ url: studio.url, adminToken: ADMIN_TOKEN });
  return {
    studio,
    operator,
    url: studio.url,
    async [Symbol.asyncDispose]() {
      await operator[Symbol.asyncDispose]();
      await studio[Symbol.asyncDispose]();
    },
  };
}

export async function openTempDir(): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'studio-test-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

export const llmJob = (over: Partial<NewJob> = {}): NewJob => ({
  kind: 'llm',
  model: 'synthetic-llm',
  params: { messages: [{ role: 'user', content: 'hi' }] },
  ...over,
});

export const imageJob = (over: Partial<NewJob> = {}): NewJob => ({
  kind: 'image',
  model: 'synthetic-image',
  params: { prompt: 'a fox' },
  ...over,
});
