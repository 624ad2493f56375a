/** The packages that an image is built from. */
export interface Recipe {
    /** Debian suite whose `mosquitto` package has the image's series. */
    suite: "sid" | "trixie";
    /** Mosquitto series of the tag. */
    series: "2.0" | "2.1";
    /** Exact version in the tag, if it has one. */
    version: string | undefined;
}

/**
 * Finds the Debian suite with the Mosquitto of an `eclipse-mosquitto` tag: unstable (sid) has 2.1,
 * Debian 13 (trixie) has 2.0. The tags are those of the official-images library: `openssl`, `2-openssl`
 * and `2.0` mean 2.0; `latest`, `2` and `alpine` mean 2.1.
 * @throws Error that says why no such image can be built
 */
export function recipeFor(image: string): Recipe {
    if (image.includes("@")) {
        throw new Error(
            `${image}: an image named by digest can only be pulled, and no registry is reachable; name it by its tag`,
        );
    }
    const match = /^(?:(?:docker\.io\/)?(?:library\/)?)eclipse-mosquitto(?::([\w][\w.-]*))?$/.exec(
        image,
    );
    if (!match) {
        throw new Error(`${image}: only eclipse-mosquitto can be built from Debian's packages`);
    }
    const tag = match[1] ?? "latest";
    const version = /^\d+\.\d+\.\d+/.exec(tag)?.[0];
    if (/^(2\.1(\.\d+)?(-alpine)?|2(-alpine)?|latest|alpine)$/.test(tag)) {
        return { suite: "sid", series: "2.1", version };
    }
    if (/^(2\.0(\.\d+)?(-openssl)?|2-openssl|openssl)$/.test(tag)) {
        return { suite: "trixie", series: "2.0", version };
    }
    throw new Error(
        `${image}: Debian's packages have Mosquitto 2.0 and 2.1; known tags are ` +
            "2.1.2-alpine, 2.1-alpine, latest, 2.0.22, 2.0, openssl",
    );
}
