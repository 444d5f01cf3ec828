import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/*.min.js"] },
  {
    files: ["src/**/*.js"],
    languageOptions: { sourceType: "script", globals: globals.browser },
    rules: {
      ...js.configs.recommended.rules,
      complexity: ["error", 12],
      eqeqeq: "error",
      "max-lines": ["error", 300],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
