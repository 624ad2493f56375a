/** The settings of a broker as they are written: in the selected stack's file. */
import * as pulumi from "@pulumi/pulumi";
import { settingsIn } from "./namespace.ts";
import { withUsersFile } from "./usersFile.ts";

/** A broker's settings as they are written, before they are checked. */
export interface WrittenSettings {
    /** By the setting's name, values as text; structured ones as JSON. */
    readonly raw: Readonly<Record<string, string>>;
    /** What is wrong with where they are written. */
    readonly problems: readonly string[];
    /** Where they are written, for errors: `Pulumi.dev.yaml`. */
    readonly place: string;
    /** Folder for the CA's certificate, which the clients' commands name; undefined: none is kept. */
    readonly folder: string | undefined;
    /**
     * Whether the stack is this one broker's: its outputs are the stack's, and it takes over what a program
     * of version 0.1 has made.
     */
    readonly ownsStack: boolean;
}

/** For a program that has one broker and exports its outputs: `export default await broker.outputs`. */
export function stackSettings(): WrittenSettings {
    const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
    return {
        ...withUsersFile(settingsIn(pulumi.runtime.allConfig(), { project, stack })),
        place: `Pulumi.${stack}.yaml`,
        folder: `certs/${stack}`,
        ownsStack: true,
    };
}
