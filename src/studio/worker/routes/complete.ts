// Takes a finished output: bytes into R2, then the job becomes done if it is still this worker's.
import { Hono } from 'hono';
import { mimeForExt } from '../../../protocol/index.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem } from '../problem.ts';
import { bounded, UPLOAD_BYTES_MAX } from '../read-body.ts';
import { INLINE_CHARS_MAX, outputKey } from '../store/blobs.ts';
import { jobStatements } from '../store/jobs.ts';
import { workerTokenHash } from './worker-auth.ts';

export const completeRoutes = new Hono<{ Bindings: Env }>();

completeRoutes.post('/workers/:id/jobs/:jobId/complete', bounded(UPLOAD_BYTES_MAX), async (c) => {
  const { id: workerId, jobId } = c.req.param();
  const [, row] = await Promise.all([
    workerTokenHash(c.env, c.req.raw, workerId),
    jobStatements(c.env.DB).statusOf(jobId).first<{ status: string; worker_id: string | null }>(),
  ]);
  // Asked before the bytes are read, so that a late upload costs little.
  if (row?.status !== 'claimed' || row.worker_id !== workerId) {
    throw new Problem('conflict', 'the job is not claimed by this worker');
  }
  const { prompt, ext, image } = await readParts(c.req.raw);
  const output = { key: outputKey(jobId), ext, bytes: image.size, contentType: mimeForExt(ext) };
  await c.env.OUTPUTS.put(output.key, image, { httpMetadata: { contentType: output.contentType } });
  const outcome = await connectionsOf(c.env).completeUpload(workerId, jobId, output, prompt);
  if (!outcome.ok) {
    await c.env.OUTPUTS.delete(output.key);
    throw new Problem(outcome.code, outcome.message);
  }
  return c.json({ ok: true });
});

async function readParts(request: Request): Promise<{ prompt: string; ext: string; image: Blob }> {
  let form: FormData;
  try {
    form = await request.formData();
  } catch {
    throw new Problem('invalid_request', 'the body is not multipart form data');
  }
  const prompt = form.get('prompt');
  const ext = form.get('ext');
  const image = form.get('image');
  if (typeof prompt !== 'string' || typeof ext !== 'string' || image === null || typeof image === 'string') {
    throw new Problem('invalid_request', 'expected the parts prompt, ext and image');
  }
  if (!/^[A-Za-z0-9]{0,16}$/.test(ext)) throw new Problem('invalid_request', 'ext is not a file extension');
  return { prompt: prompt.slice(0, INLINE_CHARS_MAX), ext, image };
}
