/** Reads a broker's settings from the selected stack's file. */
import * as pulumi from "@pulumi/pulumi";
import { settingsIn } from "./namespace.ts";
import { withUsersFile } from "./usersFile.ts";

/** A broker's settings as written, before they are checked. */
export interface WrittenSettings {
    /** Setting's name → value as text; structured values as JSON. */
    readonly raw: Readonly<Record<string, string>>;
    /** Problems with the keys, such as a setting in two namespaces. */
    readonly problems: readonly string[];
    /** File or component that has the settings, for errors: `Pulumi.dev.yaml`. */
    readonly place: string;
    /** Folder for the CA's certificate, which the clients' commands name; undefined to write none. */
    readonly folder: string | undefined;
    /**
     * Whether the stack belongs to this one broker: the stack's outputs are the broker's, and it takes over the
     * resources of version 0.1.
     */
    readonly ownsStack: boolean;
}

/** Reads the settings for a program with one broker that exports its outputs: `export default await broker.outputs`. */
export function stackSettings(): WrittenSettings {
    const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
    return {
        ...withUsersFile(settingsIn(pulumi.runtime.allConfig(), { project, stack })),
        place: `Pulumi.${stack}.yaml`,
        folder: `certs/${stack}`,
        ownsStack: true,
    };
}
