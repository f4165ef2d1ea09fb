"""`calotype complete`: what a shell needs to complete our commands."""

import argparse

from cliff.complete import CompleteCommand

#: What cliff's function calls comes with the package bash-completion, which need not be there.
BY_ITSELF = """\
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
  words=("${COMP_WORDS[@]}")
  cur=${COMP_WORDS[COMP_CWORD]}
  prev=${COMP_WORDS[COMP_CWORD-1]}
}
"""


class Complete(CompleteCommand):
    """Print what a shell needs to complete commands and options."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Print it."""
        if parsed_args.shell == "bash":
            self.app.stdout.write(BY_ITSELF)
        return super().take_action(parsed_args)
