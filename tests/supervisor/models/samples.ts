// Entries, claims and an audience for the log, for tests of the models.
import type { JobClaim, ModelSource } from '../../../src/protocol/index.ts';

export type LogLine = { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> };

export function listener() {
  const lines: LogLine[] = [];
  const hear =
    (level: string) =>
    (_: string, message: string, fields: Record<string, unknown> = {}): void =>
      void lines.push({ level, message, fields });
  return { lines, debug: hear('debug'), info: hear('info'), warn: hear('warn'), error: hear('error') };
}

export function source(patch: Partial<ModelSource> = {}): ModelSource {
  return { engine: 'test', files: [], cliDefaults: { cfgScale: 0, steps: 0, width: 0, height: 0 }, ...patch };
}

export function entry(id: string, patch: Record<string, unknown> = {}) {
  return { id, displayName: id, kind: 'llm', vramGbEstimate: 1, source: source(), ...patch };
}

export function claim(model: string, patch: Partial<JobClaim> = {}): JobClaim {
  return {
    ...{ jobId: 'j1', gameId: 'g', assetName: 'a', model, vramGbEstimate: 5 },
    task: { kind: 'llm', messages: [], maxTokens: 1, temperature: 0 },
    modelSource: source(),
    ...patch,
  };
}
