/** Where this server was reached, for the addresses of pictures that it keeps itself. */
export const originOf = (url: string): string => new URL(url).origin;
