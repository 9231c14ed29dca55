// The checksum that lies beside a bundle: `<64 hex> [*]name`, as sha256sum writes it. Pure.
import { UpdateError } from './update-error.ts';

/** The digest in lower case. Anything else than a digest, or one of another file, refuses the update. */
export function parseChecksum(text: string, fileName: string): string {
  const line = text.split(/\r?\n/).find((each) => each.trim() !== '') ?? '';
  const [, digest, name] = /^([0-9a-f]{64})(?:\s+\*?(.+))?$/i.exec(line.trim()) ?? [];
  if (digest === undefined) {
    throw new UpdateError('CHECKSUM_MISSING', `the checksum of ${fileName} is not one, so the file is not used`);
  }
  if (name !== undefined && name.trim().replace(/^.*[/\\]/, '') !== fileName) {
    throw new UpdateError('CHECKSUM_MISMATCH', `the checksum beside ${fileName} is of another file`);
  }
  return digest.toLowerCase();
}
