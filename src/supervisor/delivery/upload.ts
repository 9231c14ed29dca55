// Hands one binary result to the studio: a multipart body streamed from disk, tried three times.
import { openAsBlob } from 'node:fs';
import pRetry, { AbortError } from 'p-retry';
import { FormData } from 'undici';
import { mimeForExt } from '../../protocol/index.ts';
import type { Credentials } from '../registration/registration-gate.ts';
import { callStudio, StudioStatusError } from '../studio-http.ts';
import { apiUrl } from '../studio-url.ts';
import type { OutboxEntry } from './outbox.ts';

/** Attempts after the first, and the pause before the first of them in ms; the next pause is twice as long. */
const RETRIES = 2;
const FIRST_PAUSE_MS = 1_000;

/** Rejects with a `StudioStatusError` or the transport's error once the attempts are used up. */
export async function uploadResult(entry: OutboxEntry, credentials: Credentials, signal: AbortSignal): Promise<void> {
  if (entry.result.kind !== 'bytes') throw new TypeError('only binary results are uploaded');
  const { ext } = entry.result;
  await pRetry(
    async () => {
      // A fresh body each time: a stream that failed midway cannot be sent again.
      const form = new FormData();
      form.append('prompt', entry.prompt);
      form.append('ext', ext);
      form.append('image', await openAsBlob(entry.path, { type: mimeForExt(ext) }), `${entry.jobId}.${ext}`);
      try {
        await callStudio({
          operation: 'complete',
          url: apiUrl(credentials.apiBaseUrl, `/workers/${credentials.workerId}/jobs/${entry.jobId}/complete`),
          method: 'POST',
          bearer: credentials.authToken,
          form,
          signal,
        });
      } catch (error) {
        // The studio has understood and said no: it will say so again.
        if (error instanceof StudioStatusError && error.status < 500) throw new AbortError(error);
        throw error;
      }
    },
    { retries: RETRIES, minTimeout: FIRST_PAUSE_MS, factor: 2, signal },
  );
}

/** The studio does not hold this job for this worker: it was released, finished by another, cancelled or deleted. */
export function isClaimLost(error: unknown): boolean {
  return error instanceof StudioStatusError && (error.status === 409 || error.status === 404);
}
