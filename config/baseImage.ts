/** What is known of a base image: its tag tells as much as can be told before it is pulled. */

/** Mosquitto 2.0: a tag without the number, as `openssl`, can move on. */
export function isOf20(image: string): boolean {
    return /:2\.0([.-][^:/]*)?$/.test(image.replace(/@.*/, ""));
}

/** The official one, on Alpine, whose musl does not let 2.0 count its heap. */
export function isOfficial(image: string): boolean {
    return /^((docker\.io\/)?library\/)?eclipse-mosquitto(?=[:@]|$)/.test(image);
}
