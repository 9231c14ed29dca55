// What a file is, by its first bytes: a URL's extension and a server's content type are often wrong. Pure.

/** Bytes that are enough to tell. */
export const MAGIC_BYTES = 16;

/** [extension, offset, bytes as latin-1]. The first that fits wins. */
const MAGIC: readonly (readonly [ext: string, offset: number, magic: string])[] = [
  ['png', 0, '\x89PNG\r\n\x1a\n'],
  ['jpg', 0, '\xff\xd8\xff'],
  ['gif', 0, 'GIF8'],
  ['bmp', 0, 'BM'],
  ['tif', 0, 'II*\0'],
  ['tif', 0, 'MM\0*'],
  ['avif', 4, 'ftypavif'],
  ['heic', 4, 'ftyphei'],
  ['m4a', 4, 'ftypM4A'],
  ['mov', 4, 'ftypqt'],
  ['mp4', 4, 'ftyp'],
  ['webm', 0, '\x1aE\xdf\xa3'],
  ['ogg', 0, 'OggS'],
  ['flac', 0, 'fLaC'],
  ['mp3', 0, 'ID3'],
  ['zip', 0, 'PK\x03\x04'],
  ['gz', 0, '\x1f\x8b'],
];

/** The extension without a dot, or undefined for what we do not know. */
export function fileType(head: Uint8Array): string | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  if (text.startsWith('RIFF')) {
    const form = text.slice(8, 12);
    return ({ WEBP: 'webp', WAVE: 'wav', 'AVI ': 'avi' } as Record<string, string>)[form];
  }
  const known = MAGIC.find(([, offset, magic]) => text.startsWith(magic, offset));
  if (known) return known[0];
  const [first = 0, second = 0] = head;
  // A frame of MPEG audio: eleven set bits, then a layer. ADTS (AAC) has layer 0.
  if (first === 0xff && (second & 0xe0) === 0xe0) return (second & 0x06) === 0 ? 'aac' : 'mp3';
  return undefined;
}
