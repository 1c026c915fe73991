/** The package's version. Not read from package.json, which is not there in a bundle; a test holds the two together. */
export const version = "0.1.0";
