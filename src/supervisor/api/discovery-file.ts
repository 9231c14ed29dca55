// `local-api.json`: where programs of this user find the local API and its token. Only this user may read it.
import { rm } from 'node:fs/promises';
import { writeFileAtomically } from '../config/write-file.ts';

export type Discovery = { readonly url: string; readonly token: string };

export async function writeDiscovery(path: string, { url, token }: Discovery): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify({ url, token }, null, 2)}\n`);
}

export async function removeDiscovery(path: string): Promise<void> {
  await rm(path, { force: true });
}
