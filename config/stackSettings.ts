/** The settings of the program's own broker: the selected stack's config. */
import * as pulumi from "@pulumi/pulumi";
import { settingsIn } from "./namespace.ts";

/** A broker's settings as they are written, before they are checked. */
export interface WrittenSettings {
    /** By the setting's name, values as text; structured ones as JSON. */
    readonly raw: Readonly<Record<string, string>>;
    /** What is wrong with where they are written. */
    readonly problems: readonly string[];
    /** Where they are written, for errors: `Pulumi.dev.yaml`. */
    readonly place: string;
    /** Folder for the CA's certificate, which the clients' commands name. */
    readonly folder: string;
}

export function stackSettings(): WrittenSettings {
    const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
    return {
        ...settingsIn(pulumi.runtime.allConfig(), { project, stack }),
        place: `Pulumi.${stack}.yaml`,
        folder: `certs/${stack}`,
    };
}
