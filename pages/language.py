"""Language: what a judge says about the maps, what that comes to over the data set, and what people say instead."""

from __future__ import annotations

from xai_core.ui import findings_view, judgement_view, language_view, people_view
from xai_core.ui.page import page_foot
from xai_core.ui.top_bar import top_bar

records = top_bar()
said = language_view.choose_judge(records)
if said is None:
    language_view.nobody_yet(records.run)
elif language_view.choose_part() == language_view.BLIND:
    people_view.score_blind(records, said)
else:
    language_view.whose_opinion(records, said)
    if said.scored:
        language_view.matrix_section(records, said)
    findings_view.sentence_section(records, said)
    findings_view.group_section(records, said)
    if said.scored:
        findings_view.suspect_section(records, said)
    people_view.agreement_section(records, said)
    judgement_view.one_record(records, said.table, people_view.view_of(said))
page_foot(records)
