/** What an image of a given name is made from. */
export interface Recipe {
    /** The Debian suite whose `mosquitto` package is of the image's series. */
    suite: "sid" | "trixie";
    /** Mosquitto's series that the tag stands for. */
    series: "2.0" | "2.1";
    /** The exact version that the tag names, if it names one. */
    version: string | undefined;
}

/**
 * Which Debian suite has the Mosquitto that a tag of `eclipse-mosquitto` stands for: 2.1 is in
 * unstable (sid), 2.0 in Debian 13 (trixie). The tags are those of the official-images library
 * (`openssl`, `2-openssl` and `2.0` are the 2.0 line; `latest`, `2` and `alpine` the 2.1 line).
 *
 * @throws Error saying what is wrong with the name, when no such image can be made
 */
export function recipeFor(image: string): Recipe {
    if (image.includes("@")) {
        throw new Error(
            `${image}: an image named by digest can only be pulled; name it by its tag here`,
        );
    }
    const match = /^(?:(?:docker\.io\/)?(?:library\/)?)eclipse-mosquitto(?::([\w][\w.-]*))?$/.exec(
        image,
    );
    if (!match) {
        throw new Error(`${image}: only eclipse-mosquitto can be made from Debian's packages`);
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
