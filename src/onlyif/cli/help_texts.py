"""What --help says beside the options: what the command does, which files are models, and examples."""

DESCRIPTION = """\
For each row of a table: the smallest set of columns that suffices for the model's
prediction, the smallest set that it needs, and everything in between."""

MODELS = """\
MODEL is a file that can be read without running code from it:
  model.onnx            any model, exported to ONNX
  model.json, .ubj      XGBoost, written by save_model
  model.txt             LightGBM, written by booster.save_model
  model.skops           scikit-learn, XGBoost, LightGBM, written by skops.io.dump
Pickle, joblib and torch files are refused: loading them can run any code."""

EXPLAIN_EXAMPLES = """\
  explain the first row; hidden columns take the values of rows of train.parquet
    onlyif explain model.skops --data rows.csv --background train.parquet --rows 0

  some rows, hidden columns drawn close to the row, at most 3 columns, all saved
    onlyif explain model.json --data rows.csv --background train.parquet \\
        --rows 0,5-9 --reference empirical --size 3 --out results/

  the data has the label in it, which the model does not use
    onlyif explain model.onnx --data all.csv --background all.csv --drop label

  your own function from a table to predictions, for another program to read
    onlyif explain --model-from mypackage.models:predict --data rows.csv \\
        --background train.csv --json > results.json

  why was each row decided as it was, and not as others were
    onlyif explain model.skops --data rows.csv --background train.parquet --against "other decisions"

  which two columns are the most probable necessary and sufficient cause of each prediction
    onlyif explain model.skops --data rows.csv --background train.parquet --criterion pns --size 2

  an age that may not be given as a reason
    onlyif explain model.json --data rows.csv --background train.parquet --never age

  go on after Ctrl-C
    onlyif explain model.json ... --out results/ --resume

  the same run once more, from the options that it wrote down; what is said here comes before them
    onlyif explain --config results/run.toml --out again/"""

EXAMPLES = """\
  tables and a model to try things out with
    onlyif dataset wine --model

  explain some rows and save what is found; print it again; a page for a browser
    onlyif explain model.skops --data rows.csv --background train.csv --rows 0-9 --out results/
    onlyif show results/
    onlyif report results/

  how often each column is in which set, and whether the sets hold on further rows
    onlyif measure results/ --further march.csv

  what is installed here; all options of a command, with examples
    onlyif doctor
    onlyif explain --help"""

SHOW_EXAMPLES = """\
    onlyif show results/
    onlyif show results/ --rows 0,5-9 --details
    onlyif show results/ --json > results.json"""

DOCTOR_EXAMPLES = """\
    onlyif doctor
    onlyif doctor --json > installed.json"""
