/** Inputs and outputs of an app. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";
import type { OnReplace } from "../volume/inputs.ts";

export interface AppInputs {
    /** Base of the Machines API. A change is recorded in the state; the new endpoint must have the same app. */
    endpoint: string;
    /** 1 to 63 lowercase letters, digits and hyphens; unique across all of Fly. A change replaces the app with its contents. */
    name: string;
    /** Slug, or `personal`. Can only change together with the name, which replaces the app: the API cannot move one. */
    organization: string;
    /** A change is recorded in the state; nothing happens at Fly. */
    owner: Owner;
    /**
     * Whether a change may replace the app with all its data: `refuse` makes it fail. A change of this
     * property does nothing by itself. @default "refuse"
     */
    onReplace?: Exclude<OnReplace, "restore">;
    /** The app's own name, to import an existing app with its contents. Read at create; a change does nothing. */
    importId?: string;
    /**
     * Name of the setting that protects the app. While set, a delete fails before any request. A change is
     * recorded in the state.
     */
    protectedBy?: string;
}

export interface AppOutputs extends AppInputs {
    appId: string;
    /** Real slug, also where `organization` is `personal`. */
    organizationSlug: string;
    /** `NAME.fly.dev` */
    hostname: string;
}

export const APP_RULES: PropertyRules<AppInputs> = {
    endpoint: { effect: "update" },
    name: { effect: "replace" },
    organization: { effect: "replace" },
    owner: { effect: "update" },
    onReplace: { effect: "none", optional: true },
    importId: { effect: "none", optional: true },
    protectedBy: { effect: "update" },
};
