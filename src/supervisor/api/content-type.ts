// The content type of a result, by its extension. A larger table than that of the studio's uploads; both are the contract's.

const BY_EXT: Readonly<Record<string, string>> = {
  ...{ webp: 'image/webp', png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif' },
  ...{ wav: 'audio/wav', mp3: 'audio/mpeg', ogg: 'audio/ogg', opus: 'audio/ogg', flac: 'audio/flac' },
  ...{ mp4: 'video/mp4', webm: 'video/webm' },
};

/** In any case of letters. */
export function contentTypeOf(ext: string): string {
  const lower = ext.toLowerCase();
  return Object.hasOwn(BY_EXT, lower) ? (BY_EXT[lower] as string) : 'application/octet-stream';
}
