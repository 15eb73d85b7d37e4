/** Where finished pictures are kept. */
export interface PictureStorage {
  /**
   * Keeps the bytes under a new name that cannot be guessed, and returns the name once they are safely stored.
   * The name ends in the file ending of the content type.
   */
  put(bytes: Uint8Array, contentType: string): Promise<string>;
  /** The picture of that name, or null. Any string is safe to ask for. */
  get(name: string): Promise<{ bytes: Uint8Array; contentType: string } | null>;
  /** Removes the picture; a name that is not there is no error. */
  remove(name: string): Promise<void>;
}
