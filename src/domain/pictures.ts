/** Where pictures of our own storage are found; an address elsewhere is its owner's business. */
const PICTURE_PATH = '/images/';

export function pictureUrl(name: string): string {
  return `${PICTURE_PATH}${name}`;
}

/** The name under which storage keeps the picture of that address; null for a picture that lies elsewhere. */
export function pictureNameOf(url: string): string | null {
  return url.startsWith(PICTURE_PATH) ? url.slice(PICTURE_PATH.length) : null;
}
