// The content type of an uploaded result, by its extension. The match is exact, as upstream's is.

const MIME_BY_EXT: Readonly<Record<string, string>> = {
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
};

/** `application/octet-stream` for everything that the contract's table does not name. */
export function mimeForExt(ext: string): string {
  return Object.hasOwn(MIME_BY_EXT, ext) ? (MIME_BY_EXT[ext] as string) : 'application/octet-stream';
}
