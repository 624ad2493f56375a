/** Reads a base image's Mosquitto series from its tag: nothing else is known before it is pulled. */

/** Tells whether the tag names Mosquitto 2.0. A tag without a number, such as `openssl`, can change series. */
export function isMosquitto20(image: string): boolean {
    return /:2\.0([.-][^:/]*)?$/.test(image.replace(/@.*/, ""));
}

/** Tells whether it is the official image, on Alpine, where Mosquitto 2.0 cannot measure its heap (musl). */
export function isOfficialImage(image: string): boolean {
    return /^((docker\.io\/)?library\/)?eclipse-mosquitto(?=[:@]|$)/.test(image);
}
